//! Kubernetes documents to the model.
