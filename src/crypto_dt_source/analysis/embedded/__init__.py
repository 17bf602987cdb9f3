"""The embedded sentiment model's files (model.onnx, tokenizer.json, config.json), as docs/sentiment-model.md describes."""
