//! Scalar expressions.

use sqlparser::ast::{
    self, BinaryOperator, CeilFloorKind, DataType, FunctionArg, FunctionArgExpr, FunctionArguments, TrimWhereField,
    UnaryOperator, Value,
};

use super::{Lowering, last_part, name, parts};
use crate::{
    ir::{Aggregate, BlockId, ColumnRef, Expr, Literal, Role},
    keyword::is_aggregate,
    name::Name,
};

/// Expressions within expressions that keep their form; deeper ones become [`Expr::Other`], since each level of an operator
/// chain holds its own text.
const DEEPEST: usize = 24;

impl Lowering {
    pub(super) fn expr(&mut self, id: BlockId, expr: &ast::Expr) -> Expr {
        if self.nesting >= DEEPEST {
            return self.opaque(id, expr);
        }
        self.nesting += 1;
        let lowered = self.expr_within(id, expr);
        self.nesting -= 1;
        lowered
    }

    pub(super) fn exprs<'a>(&mut self, id: BlockId, exprs: impl IntoIterator<Item = &'a ast::Expr>) -> Vec<Expr> {
        exprs.into_iter().map(|expr| self.expr(id, expr)).collect()
    }

    fn expr_within(&mut self, id: BlockId, expr: &ast::Expr) -> Expr {
        use ast::Expr as E;
        if let Some(literal) = literal(expr) {
            return Expr::Literal(literal);
        }
        match expr {
            E::Identifier(_) | E::CompoundIdentifier(_) => match column(expr) {
                Some(column) => Expr::Column(column),
                None => self.opaque(id, expr),
            },
            E::Nested(inner) => self.expr(id, inner),
            E::Value(value) => match &value.value {
                Value::Placeholder(text) => match text.strip_prefix('$').and_then(|number| number.parse().ok()) {
                    Some(number) => Expr::Param(number),
                    None => Expr::Literal(Literal::Unknown),
                },
                _ => self.opaque(id, expr),
            },
            E::Cast { expr, data_type, .. } => self.cast(id, expr, type_name(data_type)),
            E::TypedString(typed) => self.cast(id, &E::Value(typed.value.clone()), type_name(&typed.data_type)),
            E::Interval(interval) if interval.leading_precision.is_none() => {
                let fields = match (&interval.leading_field, &interval.last_field) {
                    (Some(first), Some(last)) => format!("interval {first} to {last}").to_lowercase(),
                    (Some(first), None) => format!("interval {first}").to_lowercase(),
                    _ => "interval".to_owned(),
                };
                self.cast(id, &interval.value, fields)
            }
            E::BinaryOp { left, op, right } if is_scalar(op) => {
                let left = self.expr(id, left);
                let right = self.expr(id, right);
                Expr::binary(left, &symbol(op), right)
            }
            E::UnaryOp { op: UnaryOperator::Plus, expr } => self.expr(id, expr),
            E::AtTimeZone { timestamp, time_zone } => {
                let args = vec![self.expr(id, time_zone), self.expr(id, timestamp)];
                Expr::call(None, "timezone", args)
            }
            E::Extract { field, expr, .. } => {
                let field = field.to_string().to_lowercase();
                let field = field.trim_matches('\'');
                let of = self.expr(id, expr);
                let text = format!("EXTRACT({field} FROM {})", of.text());
                let args = vec![Expr::Literal(Literal::String(field.to_owned())), of];
                Expr::Function { name: "extract".into(), args, text }
            }
            E::Ceil { expr, field: CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime) } => {
                let arg = self.expr(id, expr);
                Expr::call(None, "ceil", vec![arg])
            }
            E::Floor { expr, field: CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime) } => {
                let arg = self.expr(id, expr);
                Expr::call(None, "floor", vec![arg])
            }
            E::Position { expr, r#in } => {
                let args = vec![self.expr(id, r#in), self.expr(id, expr)];
                let text = format!("POSITION({} IN {})", args[1].text(), args[0].text());
                Expr::Function { name: "position".into(), args, text }
            }
            E::Substring { expr, substring_from, substring_for, .. } => {
                let mut args = vec![self.expr(id, expr)];
                match (substring_from, substring_for) {
                    (Some(from), length) => args.extend(self.exprs(id, [&**from].into_iter().chain(length.as_deref()))),
                    (None, Some(length)) => {
                        args.push(Expr::Literal(Literal::Number("1".to_owned())));
                        args.push(self.expr(id, length));
                    }
                    (None, None) => {}
                }
                Expr::call(None, "substring", args)
            }
            E::Trim { trim_where, trim_what, expr, trim_characters } => {
                let function = match trim_where {
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                    Some(TrimWhereField::Both) | None => "btrim",
                };
                let mut args = vec![self.expr(id, expr)];
                args.extend(self.exprs(id, trim_what.as_deref().into_iter().chain(trim_characters.iter().flatten())));
                Expr::call(None, function, args)
            }
            E::Subquery(query) => Expr::Subquery(self.query(id, Role::Scalar, query)),
            E::Function(function) => self.function_call(id, expr, function),
            _ => self.opaque(id, expr),
        }
    }

    fn cast(&mut self, id: BlockId, expr: &ast::Expr, to: String) -> Expr {
        Expr::Cast { expr: Box::new(self.expr(id, expr)), to }
    }

    fn function_call(&mut self, id: BlockId, whole: &ast::Expr, function: &ast::Function) -> Expr {
        let function_name = last_part(&function.name);
        if function.over.is_some() || self.is_aggregate_call(&function_name, function) {
            return self.opaque(id, whole);
        }
        match &function.args {
            // `CURRENT_DATE` and the like, which take no parentheses.
            FunctionArguments::None => {
                Expr::Function { text: function_name.as_str().to_owned(), name: function_name, args: Vec::new() }
            }
            FunctionArguments::Subquery(query) => Expr::Subquery(self.query(id, Role::Scalar, query)),
            FunctionArguments::List(list) => {
                let plain = list.duplicate_treatment.is_none() && list.clauses.is_empty();
                let args: Option<Vec<&ast::Expr>> = list.args.iter().map(unnamed).collect();
                match args {
                    Some(args) if plain && function.parameters == FunctionArguments::None => {
                        let args = self.exprs(id, args);
                        let parts = parts(&function.name);
                        let schema = parts.len().checked_sub(2).map(|schema| parts[schema].as_str());
                        Expr::call(schema, function_name.as_str(), args)
                    }
                    _ => self.opaque(id, whole),
                }
            }
        }
    }

    pub(super) fn is_aggregate_call(&self, function_name: &Name, function: &ast::Function) -> bool {
        function.over.is_none()
            && (is_aggregate(function_name.as_str())
                || function.filter.is_some()
                || !function.within_group.is_empty()
                || matches!(&function.args, FunctionArguments::List(list) if list.duplicate_treatment.is_some()))
    }

    /// Notes an aggregate or window call of the block. Its arguments are noted here, not by whoever holds the call.
    pub(super) fn note_call(&mut self, id: BlockId, function: &ast::Function) {
        let function_name = last_part(&function.name);
        let (args, distinct) = match &function.args {
            FunctionArguments::List(list) => {
                let args: Vec<&ast::Expr> = list.args.iter().filter_map(argument).collect();
                (args, list.duplicate_treatment == Some(ast::DuplicateTreatment::Distinct))
            }
            FunctionArguments::None | FunctionArguments::Subquery(_) => (Vec::new(), false),
        };
        let keys = function.within_group.iter().map(|key| &key.expr);
        if let Some(over) = &function.over {
            for arg in args {
                self.read_columns(id, arg);
            }
            let window = self.window(id, over);
            self.blocks[id].windows.push(window);
        } else if self.is_aggregate_call(&function_name, function) {
            let args = args.into_iter().chain(keys).map(|arg| self.without_sub_selects(id, arg)).collect();
            let aggregate = Aggregate { name: function_name, args, distinct };
            if !self.blocks[id].aggregates.contains(&aggregate) {
                self.blocks[id].aggregates.push(aggregate);
            }
        } else {
            return;
        }
        if let Some(filter) = &function.filter {
            self.read_columns(id, filter);
        }
    }

    fn read_columns(&mut self, id: BlockId, expr: &ast::Expr) {
        let read = self.without_sub_selects(id, expr);
        self.note_read(id, read);
    }
}

/// The column that an expression is.
pub(super) fn column(expr: &ast::Expr) -> Option<ColumnRef> {
    match expr {
        ast::Expr::Identifier(ident) => Some(ColumnRef { qualifier: None, name: name(ident) }),
        ast::Expr::CompoundIdentifier(idents) => {
            let (last, before) = idents.split_last()?;
            Some(ColumnRef { qualifier: before.last().map(name), name: name(last) })
        }
        _ => None,
    }
}

/// The literal that an expression is, its sign included.
pub(super) fn literal(expr: &ast::Expr) -> Option<Literal> {
    match expr {
        ast::Expr::Value(value) => match &value.value {
            Value::Number(number, _) => Some(Literal::Number(number.clone())),
            Value::Boolean(value) => Some(Literal::Bool(*value)),
            Value::Null => Some(Literal::Null),
            Value::SingleQuotedString(text)
            | Value::EscapedStringLiteral(text)
            | Value::UnicodeStringLiteral(text)
            | Value::NationalStringLiteral(text) => Some(Literal::String(text.clone())),
            Value::DollarQuotedString(text) => Some(Literal::String(text.value.clone())),
            _ => None,
        },
        ast::Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match literal(expr)? {
            Literal::Number(number) if !number.starts_with('-') => Some(Literal::Number(format!("-{number}"))),
            _ => None,
        },
        _ => None,
    }
}

/// A type as written, lower case unless a part is quoted.
pub(super) fn type_name(data_type: &DataType) -> String {
    let text = data_type.to_string();
    if text.contains('"') { text } else { text.to_lowercase() }
}

/// Whether an operator yields a value rather than a truth, as far as that is known.
fn is_scalar(op: &BinaryOperator) -> bool {
    use BinaryOperator as B;
    matches!(
        op,
        B::Plus
            | B::Minus
            | B::Multiply
            | B::Divide
            | B::Modulo
            | B::StringConcat
            | B::BitwiseOr
            | B::BitwiseAnd
            | B::BitwiseXor
            | B::PGBitwiseXor
            | B::PGBitwiseShiftLeft
            | B::PGBitwiseShiftRight
            | B::PGExp
            | B::Arrow
            | B::LongArrow
            | B::HashArrow
            | B::HashLongArrow
            | B::HashMinus
            | B::LtDashGt
            | B::DoubleHash
    ) || matches!(op, B::Custom(symbol) if matches!(symbol.as_str(), "<=>" | "<#>" | "<%>" | "<<->" | "<->>" | "<<<->" | "<->>>"))
}

/// An operator's symbol; of `OPERATOR(schema.+)` the last part.
pub(super) fn symbol(op: &BinaryOperator) -> String {
    match op {
        BinaryOperator::PGCustomBinaryOperator(parts) => parts.last().cloned().unwrap_or_default(),
        other => other.to_string(),
    }
}

fn unnamed(arg: &FunctionArg) -> Option<&ast::Expr> {
    match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    }
}

fn argument(arg: &FunctionArg) -> Option<&ast::Expr> {
    match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
        | FunctionArg::Named { arg: FunctionArgExpr::Expr(expr), .. }
        | FunctionArg::ExprNamed { arg: FunctionArgExpr::Expr(expr), .. } => Some(expr),
        _ => None,
    }
}
