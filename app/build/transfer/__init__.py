"""A gallery ↔ a folder of embeddings that clip-retrieval and autofaiss read.

    img_emb/img_emb_0.npy             (images, dim) float16 or float32, one row an image
    metadata/metadata_0.parquet       image_path, key, caption, labels, width, height, bytes,
                                      sha256, metadata (JSON)
    thumbnails/thumbnails_0.parquet   webp: our own, beside what the others read
    projection.safetensors            what made the vectors of the model's own, where they are not
    network.zip                       the gallery's own INT8 network, where it has one
    gallery.json                      the gallery's manifest, and the SHA-256 of each file above

Folders that others wrote have the first two, perhaps in several parts, and other columns.
"""

from app.build.transfer.exporting import ExportReport, export_gallery
from app.build.transfer.importing import ImportRequest, import_embeddings

__all__ = ["ExportReport", "ImportRequest", "export_gallery", "import_embeddings"]
