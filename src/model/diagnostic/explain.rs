//! What each code means, at length.

/// The paragraph on a code, in any case: `K101`.
pub fn explain(code: &str) -> Option<&'static str> {
    TEXTS.iter().find(|(known, _)| known.eq_ignore_ascii_case(code)).map(|(_, text)| *text)
}

/// Every code with an explanation, in order.
pub fn codes() -> impl Iterator<Item = &'static str> {
    TEXTS.iter().map(|(code, _)| *code)
}

const TEXTS: &[(&str, &str)] = &[
    (
        "K001",
        "The text is no valid YAML at the marked place. The parser gives up there, so the mistake may also be somewhat earlier: \
         a missing quote, bracket or colon, or a line that is indented differently from its neighbours. Other documents of the \
         file are read and checked all the same.",
    ),
    (
        "K002",
        "YAML does not take tabs for indentation, because nobody can tell how wide they are. Use spaces, two per level by \
         convention, and let the editor insert spaces for the tab key.",
    ),
    (
        "K003",
        "A quote or bracket is opened and never closed, or closed by the wrong one. The first marked place is often where the \
         text ends rather than where the mistake is: look for the last value that starts with a quote or bracket. A text that itself \
         holds quotes can be put in the other kind of quotes or in a block (`|`).",
    ),
    (
        "K004",
        "Lines of one mapping or list must start in the same column, and what belongs to a key must stand further right than it. \
         The marked line does neither: it is further left or right than the lines it seems to belong to.",
    ),
    (
        "K005",
        "A key and its value are separated by a colon and at least one blank: `image: nginx`. Without the blank, the whole is one \
         text. The other way round, a value that itself holds a colon and a blank must be quoted.",
    ),
    (
        "K006",
        "A key may stand in a mapping only once. Most YAML readers silently take the last one, which hides mistakes such as two \
         `env` lists in one container; the API server refuses it under strict validation, and so does podkin.",
    ),
    (
        "K007",
        "An alias (`*name`) stands for the value that was marked by an anchor (`&name`) further up in the same document. The anchor \
         is missing, comes later, is in another document, or belongs to a value that holds the alias itself. A text that starts \
         with `*` must be quoted.",
    ),
    (
        "K008",
        "Aliases of values that hold aliases multiply: a few lines can stand for billions of values. What aliases add to a document is \
         therefore limited.",
    ),
    (
        "K009",
        "Values may be nested only to a limited depth, far beyond what Kubernetes objects need. Deeper nesting is nearly always damage \
         or an attack on the reader.",
    ),
    (
        "K010",
        "Size and number of values of a file are limited, as the API server limits the size of a request. Large data belongs in an \
         image, a volume, or several ConfigMaps of at most 1 MiB each.",
    ),
    (
        "K011",
        "A YAML file is text in UTF-8 (or UTF-16 with a byte order mark). Other bytes cannot be shown or compared reliably. Binary data \
         goes into `binaryData` of a ConfigMap or `data` of a Secret, encoded as base64.",
    ),
    (
        "K012",
        "YAML text consists of printable characters, line breaks and tabs. Control characters come from damaged files or from terminal \
         output that was pasted along; in a double-quoted string they can be written as escapes such as \"\\u001b\".",
    ),
    (
        "K013",
        "Keys of Kubernetes objects are strings. A key that YAML reads as a number or boolean, such as `on` or `0x10`, is turned \
         into the text of its value, which is rarely what was meant: `on` becomes `true`. Quote the key.",
    ),
    (
        "K014",
        "A key must be a string. Here it is empty, a list or a mapping; mostly because a value that starts with `{` or `[`, such as \
         a template `{{ name }}`, is not quoted.",
    ),
    (
        "K015",
        "A tag (`!name`) says what a value is. Kubernetes has no tags of its own: those of YAML's core (`!!str`, `!!int`, `!!binary`) \
         are obeyed and must fit the value, others are ignored.",
    ),
    (
        "K016",
        "The merge key `<<` copies the entries of other mappings into this one. Its value is an alias of a mapping or a list of \
         such aliases.",
    ),
    (
        "K101",
        "The object has no field of that name. Cluster tools often drop such a field in silence, and the setting it was meant to be \
         has no effect. Names are case-sensitive. With --validate=warn unknown fields are reported and passed over, with \
         --validate=ignore in silence.",
    ),
    (
        "K102",
        "The field takes another kind of value. Kubernetes does not convert: a quoted number is a string, a list of one element is not \
         the same as the element.",
    ),
    (
        "K103",
        "The field takes a string, and the value, written without quotes, is read as a number, boolean or null. In YAML as Kubernetes \
         reads it, `yes`, `no`, `on`, `off`, `y` and `n` are booleans, and `0644`, `1_000` and `1e3` are numbers. Quote it.",
    ),
    (
        "K104",
        "The number does not fit the field's type: most numbers of the Kubernetes API have 32 bits, sizes and user ids have 64.",
    ),
    (
        "K105",
        "The field takes a whole number and the value is written as a decimal one. Kubernetes takes it when nothing is lost. A number with \
         a leading zero is octal, except when it holds an 8 or 9, when it is decimal: `0644` is 420, `0688` is 688.",
    ),
    (
        "K106",
        "`data` of a Secret and `binaryData` of a ConfigMap hold base64, with `=` at the end where needed. Plain text goes into \
         `stringData` of a Secret or `data` of a ConfigMap. The value is not shown, as it may be secret.",
    ),
    (
        "K107",
        "A quantity is a number with an optional suffix: `500m` (thousandths), `k`, `M`, `G`, `T` (powers of 1000), `Ki`, `Mi`, `Gi`, `Ti` \
         (powers of 1024), or an exponent (`1e3`). There is no `B`, and `m` is a thousandth, not a million.",
    ),
    (
        "K108",
        "A list element without content is null. Kubernetes turns it into an empty string or an empty object, which is rarely meant.",
    ),
    ("K109", "Times are written as RFC 3339 has them, with date, time and zone: `2026-01-31T12:00:00Z`."),
    (
        "K110",
        "Every document is an object with `apiVersion` and `kind`; without them nobody can tell what it is. Names are case-sensitive. \
         A compose file is not Kubernetes YAML.",
    ),
    (
        "K111",
        "The kind is not played. Kinds are case-sensitive and in the singular (`Pod`). What only a cluster can do, such as access \
         rules, has no counterpart on one machine. With --validate=warn the other objects of the file are played.",
    ),
    (
        "K112",
        "Each kind belongs to an API group and version: pods, ConfigMaps, Secrets and claims to `v1`, Deployments to `apps/v1`. Groups of \
         old manifests, such as `extensions/v1beta1`, were removed from Kubernetes years ago.",
    ),
    (
        "K113",
        "The object cannot be without this field. If it is there but at another level or misspelt, an unknown field is reported as well.",
    ),
    (
        "K114",
        "Names of objects and containers are labels of the domain name system: lower-case letters, digits and `-`, at most 63 characters, \
         first and last a letter or digit (names of objects may also hold dots and have 253). Labels, keys and paths have rules of their \
         own, which the message names.",
    ),
    (
        "K115",
        "The value is outside of what the field allows: a number beyond its limits or a word that is not one of the possible ones. \
         Words are case-sensitive: `Always`, `TCP`.",
    ),
    (
        "K116",
        "Names of containers and volumes in a pod, mount paths in a container, and names of ports are unique: what refers to them would \
         not know which one is meant.",
    ),
    ("K117", "The quantity is well-formed but cannot be: it is negative, or a request is above its limit."),
    (
        "K118",
        "These fields exclude each other, or one needs the other: a volume has exactly one source, a probe one handler, a variable a value \
         or a source.",
    ),
    (
        "K119",
        "This is allowed and most probably not what was meant, such as a variable that is set twice (the last one holds), or a memory limit \
         of a few bytes.",
    ),
    (
        "K120",
        "An option of the command does not fit: its form is wrong or it names something that the files do not have.",
    ),
    (
        "K201",
        "The ConfigMap or Secret is neither in these files nor was it played before. Order does not matter. With `optional: true` the \
         reference may lead nowhere.",
    ),
    (
        "K202",
        "The ConfigMap or Secret exists and has no such key. Keys are case-sensitive. With `optional: true` the key may be absent.",
    ),
    ("K203", "A container can mount only what the pod declares under `spec.volumes`, by its name there."),
    (
        "K204",
        "A port of the host can be published once per address and protocol. That goes for all pods of the machine, and so for the \
         replicas of a Deployment, too.",
    ),
    (
        "K205",
        "Names are unique: two objects of one kind, or two pods or containers on this machine, cannot have the same one.",
    ),
    (
        "K206",
        "The selector of a Deployment must match the labels of its own template; otherwise it would never find its pods. A cluster refuses it, \
         too.",
    ),
    (
        "K207",
        "`$(NAME)` in a command, argument or value is replaced by a variable that was defined before it. Where there is no such variable, the \
         text stays as it is. `$$(NAME)` says that this is meant.",
    ),
    ("K208", "A port or container is referred to by name, and the pod has none of that name."),
    (
        "K301",
        "The field is for the scheduler or another part of a cluster, and on one machine it changes nothing. It is kept, so that \
         `kube generate` gives it back.",
    ),
    (
        "K302",
        "This is valid in Kubernetes and cannot be obeyed here, and ignoring it would change what the pod does. With --validate=warn the rest is \
         played without it.",
    ),
    ("K303", "This is obeyed in part; the message says what differs from a cluster."),
    (
        "K304",
        "This would reach out of the pod: a path upwards out of a volume, or a setting of the whole machine. It is always refused.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_unique_and_explained() {
        let all: Vec<_> = codes().collect();
        assert!(all.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(TEXTS.iter().all(|(_, text)| text.ends_with('.') && !text.contains("  ")));
        assert!(explain("k101").is_some_and(|text| text.contains("no field of that name")));
        assert_eq!(explain("K999"), None);
    }
}
