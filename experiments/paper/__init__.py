"""The paper's experiments: how one is conducted (`study`), its figures (`results`) and its tables."""
