"""The page's own theme: Gradio's colours, shapes and type, for light and for dark."""

import gradio as gr

# No font is fetched from another host or shipped: the page uses those of its machine.
_FONTS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")


def make_theme() -> gr.themes.Base:
    """Return the theme: flat, teal on slate; every pair of text and ground reaches 4.5:1."""
    theme = gr.themes.Base(
        primary_hue="teal",
        secondary_hue="teal",
        neutral_hue="slate",
        radius_size="md",
        font=_FONTS,
        font_mono=("ui-monospace", "monospace"),
    )
    return theme.set(
        body_background_fill="#ffffff",
        body_background_fill_dark="#0e1318",
        background_fill_primary_dark="#0e1318",
        background_fill_secondary="*neutral_50",
        background_fill_secondary_dark="#171e26",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        border_color_primary="*neutral_300",
        border_color_primary_dark="#3a4654",
        color_accent="*primary_700",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_padding="0px",
        block_shadow="none",
        block_title_text_weight="600",
        block_title_text_color="*body_text_color",
        block_title_text_color_dark="*body_text_color",
        input_background_fill="#ffffff",
        input_background_fill_dark="#171e26",
        input_border_width="1px",
        input_border_color="*neutral_400",
        input_border_color_dark="#66758a",
        input_border_color_focus="*primary_700",
        input_border_color_focus_dark="*primary_300",
        input_shadow_focus="0 0 0 2px *primary_700",
        input_shadow_focus_dark="0 0 0 2px *primary_300",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
        checkbox_border_color="*neutral_500",
        checkbox_border_color_dark="*neutral_400",
        checkbox_background_color_selected="*primary_700",
        checkbox_background_color_selected_dark="*primary_600",
        checkbox_label_background_fill="transparent",
        checkbox_label_background_fill_dark="transparent",
        slider_color="*primary_700",
        slider_color_dark="*primary_400",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_dark="*primary_300",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_hover_dark="*primary_200",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="*neutral_950",
        button_secondary_background_fill="#ffffff",
        button_secondary_background_fill_dark="#202a35",
        button_secondary_background_fill_hover="*neutral_100",
        button_secondary_background_fill_hover_dark="#2c3947",
        button_secondary_border_color="*neutral_300",
        button_secondary_border_color_dark="#3a4654",
        button_border_width="1px",
    )
