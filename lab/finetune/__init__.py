"""A labelled gallery → a model whose vectors keep its labels apart, measured on held-out images.

`run` does it from top to bottom: `labelled` reads the gallery, `split` sets images and classes
aside, `learner` and `network` say what is trained and `losses` by what, `training` trains it and
goes on after an interruption (`checkpoint`), `measure` compares before and after, `result` writes
the model. docs/lab.md gives the figures.
"""
