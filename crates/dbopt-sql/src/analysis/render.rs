//! A compact text of an analysed statement, for tests.

use std::fmt::Write;

use crate::ir::{
    Block, ColumnRef, CompareOp, Count, Distinct, Expr, JoinKind, Literal, OrderKey, Output, Predicate, RelationSource,
    Role, Source, Statement,
};

pub(super) fn statement(statement: &Statement) -> String {
    let mut out = format!("{:?}", statement.kind).to_lowercase();
    if statement.source == Source::Tokens {
        out += " (tokens)";
    }
    if let Some(target) = &statement.target {
        let names: Vec<&str> = target.columns.iter().map(crate::Name::as_str).collect();
        write!(out, " {}({})", table(&target.table), names.join(", ")).expect("a string grows");
        if let Some(relation) = target.relation {
            out += &format!(" relation {relation}");
        }
        if let Some(rows) = target.values_rows {
            out += &format!(" rows {rows}");
        }
        if !target.on_conflict.is_empty() {
            let names: Vec<&str> = target.on_conflict.iter().map(crate::Name::as_str).collect();
            out += &format!(" on conflict {}", names.join(", "));
        }
    }
    for (id, block) in statement.blocks.iter().enumerate() {
        out += "\n";
        out += &line(id, block);
    }
    out
}

fn line(id: usize, block: &Block) -> String {
    let mut out = format!("#{id}");
    if let Some(parent) = block.parent {
        out += &format!(" in #{parent}");
    }
    out += &match &block.role {
        Role::Root => String::new(),
        Role::Cte { name, materialized, recursive } => {
            let materialized = match materialized {
                Some(true) => " materialized",
                Some(false) => " not materialized",
                None => "",
            };
            format!(" cte {}{materialized}{}", name.as_str(), if *recursive { " recursive" } else { "" })
        }
        Role::From { lateral } => (if *lateral { " lateral" } else { " from" }).to_owned(),
        Role::Exists => " exists".to_owned(),
        Role::In => " in".to_owned(),
        Role::Scalar => " scalar".to_owned(),
        Role::SetBranch { all } => (if *all { " branch all" } else { " branch" }).to_owned(),
    };
    out += ":";
    let mut part = |label: &str, items: Vec<String>| {
        if !items.is_empty() {
            out += &format!(" {label} {}", items.join(", "));
        }
    };
    let outputs = block.outputs.iter().map(|output| match output {
        Output::Star { qualifier } => qualifier.as_ref().map_or("*".to_owned(), |name| format!("{}.*", name.as_str())),
        Output::Expr { expr: inner, alias } => {
            let alias = alias.as_ref().map(|alias| format!(" as {}", alias.as_str())).unwrap_or_default();
            expr(inner) + &alias
        }
    });
    part("get", outputs.collect());
    match &block.distinct {
        Some(Distinct::Row) => part("distinct", vec!["row".to_owned()]),
        Some(Distinct::On(keys)) => part("distinct", keys.iter().map(expr).collect()),
        None => {}
    }
    let relations = block.relations.iter().map(|relation| {
        let kind = match relation.join {
            JoinKind::Inner => "",
            JoinKind::Left => "left ",
            JoinKind::Right => "right ",
            JoinKind::Full => "full ",
        };
        let source = match &relation.source {
            RelationSource::Table(name) => table(name),
            RelationSource::Block(id) => format!("#{id}"),
            RelationSource::Other => "?".to_owned(),
        };
        let alias = relation.alias.as_ref().map(crate::Name::as_str).filter(|alias| *alias != source);
        let alias = alias.map(|alias| format!(" {alias}")).unwrap_or_default();
        let columns: Vec<&str> = relation.column_aliases.iter().map(crate::Name::as_str).collect();
        let columns = if columns.is_empty() { String::new() } else { format!("({})", columns.join(" ")) };
        let on = if relation.on.is_empty() { String::new() } else { format!(" on {}", all(&relation.on)) };
        format!("{kind}{source}{alias}{columns}{on}")
    });
    part("from", relations.collect());
    let mut condition = |label: &str, predicates: &[Predicate]| {
        if !predicates.is_empty() {
            part(label, vec![all(predicates)]);
        }
    };
    condition("where", &block.filters);
    part("group", block.group_by.iter().map(expr).collect());
    if block.grouping_sets {
        part("sets", vec![String::new()]);
    }
    if !block.having.is_empty() {
        part("having", vec![all(&block.having)]);
    }
    part("order", block.order_by.iter().map(order).collect());
    let count = |count: Count| match count {
        Count::Rows(rows) => rows.to_string(),
        Count::Unknown => "?".to_owned(),
    };
    part("limit", block.limit.map(count).into_iter().collect());
    part("offset", block.offset.map(count).into_iter().collect());
    let aggregates = block.aggregates.iter().map(|aggregate| {
        let args: Vec<String> = aggregate.args.iter().map(expr).collect();
        format!("{}({}{})", aggregate.name.as_str(), if aggregate.distinct { "distinct " } else { "" }, args.join(", "))
    });
    part("agg", aggregates.collect());
    let windows = block.windows.iter().map(|window| {
        let partition: Vec<String> = window.partition_by.iter().map(expr).collect();
        let keys: Vec<String> = window.order_by.iter().map(order).collect();
        format!("({} / {})", partition.join(", "), keys.join(", "))
    });
    part("window", windows.collect());
    part("reads", block.reads.iter().map(expr).collect());
    if block.locks_rows {
        out += " lock";
    }
    out
}

fn table(name: &crate::TableName) -> String {
    let schema = name.schema.as_ref().map(|schema| format!("{}.", schema.as_str())).unwrap_or_default();
    schema + name.name.as_str()
}

fn order(key: &OrderKey) -> String {
    let mut out = expr(&key.expr);
    if key.descending {
        out += " desc";
    }
    if key.nulls_first != key.descending {
        out += if key.nulls_first { " nulls first" } else { " nulls last" };
    }
    out
}

fn all(predicates: &[Predicate]) -> String {
    predicates.iter().map(predicate).collect::<Vec<_>>().join(" & ")
}

fn list(exprs: &[Expr]) -> String {
    exprs.iter().map(expr).collect::<Vec<_>>().join(", ")
}

fn predicate(predicate: &Predicate) -> String {
    let not = |negated: &bool| if *negated { "not " } else { "" };
    match predicate {
        Predicate::Compare { left, op, right } => format!("{} {} {}", expr(left), operator(op), expr(right)),
        Predicate::InList { expr: tested, list: values, array, negated } => {
            format!("{} {}{} ({})", expr(tested), not(negated), if *array { "any" } else { "in" }, list(values))
        }
        Predicate::IsNull { expr: tested, negated } => format!("{} is {}null", expr(tested), not(negated)),
        Predicate::Bool { expr: tested, negated } => format!("{}{}", not(negated), expr(tested)),
        Predicate::InSubquery { exprs, block, negated } => format!("{} {}in #{block}", list(exprs), not(negated)),
        Predicate::Exists { block, negated } => format!("{}exists #{block}", not(negated)),
        Predicate::RowCompare { left, op, right } => format!("({}) {} ({})", list(left), operator(op), list(right)),
        Predicate::Or(branches) => {
            let branches: Vec<String> = branches.iter().map(|branch| all(branch)).collect();
            format!("({})", branches.join(" | "))
        }
        Predicate::Other(inner) => expr(inner),
    }
}

fn operator(op: &CompareOp) -> String {
    match op {
        CompareOp::Eq => "=".to_owned(),
        CompareOp::NotEq => "<>".to_owned(),
        CompareOp::Lt => "<".to_owned(),
        CompareOp::LtEq => "<=".to_owned(),
        CompareOp::Gt => ">".to_owned(),
        CompareOp::GtEq => ">=".to_owned(),
        CompareOp::Like { insensitive, negated } => {
            format!("{}{}like", if *negated { "not " } else { "" }, if *insensitive { "i" } else { "" })
        }
        CompareOp::Other(symbol) => symbol.clone(),
    }
}

fn column(column: &ColumnRef) -> String {
    let qualifier = column.qualifier.as_ref().map(|qualifier| format!("{}.", qualifier.as_str())).unwrap_or_default();
    qualifier + column.name.as_str()
}

fn expr(inner: &Expr) -> String {
    match inner {
        Expr::Column(of) => column(of),
        Expr::Literal(Literal::String(text)) => format!("'{text}'"),
        Expr::Literal(Literal::Number(number)) => number.clone(),
        Expr::Literal(literal) => format!("{literal:?}").to_lowercase(),
        Expr::Param(number) => format!("${number}"),
        Expr::Function { name, args, .. } => format!("{}({})", name.as_str(), list(args)),
        Expr::Cast { expr: of, to } => format!("{}::{to}", expr(of)),
        Expr::Binary { left, op, right, .. } => format!("[{} {op} {}]", expr(left), expr(right)),
        Expr::Subquery(block) => format!("#{block}"),
        Expr::Other { columns, text } => {
            let columns: Vec<String> = columns.iter().map(column).collect();
            format!("{{{}: {text}}}", columns.join(" "))
        }
    }
}
