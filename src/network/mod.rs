//! Networks of pods: definitions, addresses, namespaces, port mapping, DNS, by netavark.
