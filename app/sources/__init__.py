"""Where pictures come from: folders, published data sets, lists of URLs, shards, uploads.

Each source gives `Picture` values, (path, labels) in a fixed order. No picture is opened here:
whether a file can be read is for the stage that decodes it.
"""
