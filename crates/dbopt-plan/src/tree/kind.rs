//! The kinds of plan node, by the names that EXPLAIN's JSON format gives them.

use std::fmt;

macro_rules! kinds {
    ($($variant:ident $name:literal,)*) => {
        /// What a plan node does: EXPLAIN's "Node Type".
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum NodeKind {
            $(#[doc = concat!("`", $name, "`.")] $variant,)*
            /// A node type that this version does not know, by its printed name.
            Other(String),
        }

        impl NodeKind {
            /// Every known kind.
            pub(crate) const KNOWN: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in EXPLAIN's JSON format.
            #[must_use]
            pub fn name(&self) -> &str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Other(name) => name,
                }
            }

            /// The kind of this name in EXPLAIN's JSON format.
            #[must_use]
            pub fn from_name(name: &str) -> Self {
                match name {
                    $($name => Self::$variant,)*
                    _ => Self::Other(name.to_owned()),
                }
            }
        }
    };
}

kinds! {
    Aggregate "Aggregate",
    Append "Append",
    BitmapAnd "BitmapAnd",
    BitmapHeapScan "Bitmap Heap Scan",
    BitmapIndexScan "Bitmap Index Scan",
    BitmapOr "BitmapOr",
    CteScan "CTE Scan",
    CustomScan "Custom Scan",
    ForeignScan "Foreign Scan",
    FunctionScan "Function Scan",
    Gather "Gather",
    GatherMerge "Gather Merge",
    Group "Group",
    Hash "Hash",
    HashJoin "Hash Join",
    IncrementalSort "Incremental Sort",
    IndexOnlyScan "Index Only Scan",
    IndexScan "Index Scan",
    Limit "Limit",
    LockRows "LockRows",
    Materialize "Materialize",
    Memoize "Memoize",
    MergeAppend "Merge Append",
    MergeJoin "Merge Join",
    ModifyTable "ModifyTable",
    NamedTuplestoreScan "Named Tuplestore Scan",
    NestedLoop "Nested Loop",
    ProjectSet "ProjectSet",
    RecursiveUnion "Recursive Union",
    Result "Result",
    SampleScan "Sample Scan",
    SeqScan "Seq Scan",
    SetOp "SetOp",
    Sort "Sort",
    SubqueryScan "Subquery Scan",
    TableFunctionScan "Table Function Scan",
    TidRangeScan "Tid Range Scan",
    TidScan "Tid Scan",
    Unique "Unique",
    ValuesScan "Values Scan",
    WindowAgg "WindowAgg",
    WorkTableScan "WorkTable Scan",
}

impl NodeKind {
    /// Whether the node joins two inputs.
    #[must_use]
    pub fn is_join(&self) -> bool {
        matches!(self, Self::HashJoin | Self::MergeJoin | Self::NestedLoop)
    }

    /// Whether the node reads rows of a table: the heap, an index in its stead, or a foreign table.
    #[must_use]
    pub fn reads_table(&self) -> bool {
        matches!(
            self,
            Self::SeqScan
                | Self::SampleScan
                | Self::IndexScan
                | Self::IndexOnlyScan
                | Self::BitmapHeapScan
                | Self::TidScan
                | Self::TidRangeScan
                | Self::ForeignScan
        )
    }

    /// Whether the node gathers the rows of parallel workers.
    #[must_use]
    pub fn is_gather(&self) -> bool {
        matches!(self, Self::Gather | Self::GatherMerge)
    }
}

impl fmt::Display for NodeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_there_and_back() {
        for kind in NodeKind::KNOWN {
            assert_eq!(NodeKind::from_name(kind.name()), *kind);
        }
        assert_eq!(NodeKind::from_name("Warp Scan").name(), "Warp Scan");
    }
}
