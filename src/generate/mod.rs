//! Running pods back to Kubernetes YAML.
