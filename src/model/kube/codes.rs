//! Codes of what is found in Kubernetes objects. The reader's own codes (syntax K0xx, unknown fields and types K10x) are with it.

/// `apiVersion` or `kind` is missing, or the document is no object.
pub const HEADER: &str = "K110";
/// A kind that is not supported, or not known at all.
pub const KIND: &str = "K111";
/// The kind does not exist in that `apiVersion`.
pub const API_VERSION: &str = "K112";
/// A required field is missing or empty.
pub const REQUIRED: &str = "K113";
/// A name, label, key or path has the wrong form.
pub const FORM: &str = "K114";
/// A value is out of range or not one of the possible ones.
pub const VALUE: &str = "K115";
/// A name, path or port that must be unique is there twice.
pub const DUPLICATE: &str = "K116";
/// No resource quantity, or one that cannot be.
pub const QUANTITY: &str = "K117";
/// Fields that exclude or need each other.
pub const CONFLICT: &str = "K118";
/// Allowed, but hardly meant: a variable set twice, a memory limit of some bytes.
pub const SUSPICIOUS: &str = "K119";
/// An option of the command, such as `--publish`.
pub const OPTION: &str = "K120";

/// A ConfigMap or Secret that does not exist.
pub const OBJECT: &str = "K201";
/// A key that its ConfigMap or Secret does not have.
pub const KEY: &str = "K202";
/// A mount of a volume that the pod does not declare.
pub const VOLUME: &str = "K203";
/// Two ports that cannot be published at once.
pub const PORT: &str = "K204";
/// Two objects, pods or containers that would have the same name.
pub const CLASH: &str = "K205";
/// A selector that does not select the pods of its own template.
pub const SELECTOR: &str = "K206";
/// `$(NAME)` of a variable that is not defined.
pub const VARIABLE: &str = "K207";
/// A port or container that is named but does not exist.
pub const TARGET: &str = "K208";

/// Means nothing on one machine, or is the cluster's to say.
pub const NO_EFFECT: &str = "K301";
/// Valid in Kubernetes, not supported here.
pub const UNSUPPORTED: &str = "K302";
/// Obeyed in part, or not yet.
pub const PARTLY: &str = "K303";
/// Refused because it would reach beyond the pod.
pub const UNSAFE: &str = "K304";

#[cfg(test)]
mod tests {
    #[test]
    fn every_code_is_explained() {
        let used = include_str!("codes.rs").split('"').filter(|word| word.len() == 4 && word.starts_with('K'));
        let unexplained: Vec<_> = used.filter(|code| crate::model::diagnostic::explain(code).is_none()).collect();
        assert!(unexplained.is_empty(), "{unexplained:?}");
    }
}
