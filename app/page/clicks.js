// A click on anything that names an image or a photograph becomes one event, 'picked'.
element.addEventListener("click", (event) => {
  const chosen = event.target.closest("button[data-id], button[data-photograph]");
  if (chosen) trigger("picked", { ...chosen.dataset });
});
