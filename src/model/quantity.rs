//! Resource quantities (Kubernetes API reference, "Quantity").
