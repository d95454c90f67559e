//! EXPLAIN's JSON format.
//!
//! The tree is built with a stack of open nodes of its own, so that its depth is bounded by [`crate::MAX_DEPTH`] and
//! not by the thread's stack. Reading goes on to the first fault; what was read until then is kept, because a plan
//! that a log cut off still shows its upper part.

use crate::input::Notes;
use crate::json_reader::{Reader, Stop, Token};
use crate::property::{Value, finish_node, set_node, set_plan};
use crate::tree::kind::NodeKind;
use crate::tree::node::Node;
use crate::tree::plan::Plan;

/// Nesting of values other than plan nodes: triggers, workers and sort groups need four.
const MAX_VALUE_DEPTH: usize = 32;

/// Reads the plans from `start` on, and anything before them that belongs to none.
pub(crate) fn read(text: &str, start: usize, notes: &mut Notes<'_>) -> Vec<Plan> {
    let mut builder = Builder { reader: Reader::new(text, start), plans: Vec::new(), notes };
    builder.run();
    builder.plans
}

/// A fault that ends the reading.
struct Fault {
    at: usize,
    kind: FaultKind,
}

enum FaultKind {
    Truncated,
    Expected(&'static str),
    TooDeep,
}

struct Builder<'a, 'n> {
    reader: Reader<'a>,
    plans: Vec<Plan>,
    notes: &'a mut Notes<'n>,
}

/// One statement's object while it is read.
#[derive(Default)]
struct Statement {
    root: Option<Node>,
    /// Properties of the plan, kept until the root is known.
    properties: Vec<(String, Value)>,
    open: Vec<Open>,
}

/// An open node. `in_list` while its list of children is open.
struct Open {
    node: Node,
    named: bool,
    in_list: bool,
    at: usize,
}

impl Builder<'_, '_> {
    /// A file holds arrays of statements, or statements, one after the other.
    fn run(&mut self) {
        loop {
            match self.reader.peek() {
                None => return,
                Some(b'[') => {
                    let _ = self.reader.next();
                    if !self.list() {
                        return;
                    }
                }
                Some(b'{') => {
                    if !self.statement() {
                        return;
                    }
                }
                Some(_) => {
                    // psql's timing, the next prompt, or the log's next line.
                    let at = self.reader.offset();
                    self.notes.trailing(at);
                    return;
                }
            }
        }
    }

    /// The statements of an open array; false when reading cannot go on.
    fn list(&mut self) -> bool {
        loop {
            match self.reader.peek() {
                Some(b'{') => {
                    if !self.statement() {
                        return false;
                    }
                }
                Some(b',') => {
                    let _ = self.reader.next();
                }
                Some(b']') => {
                    let _ = self.reader.next();
                    return true;
                }
                Some(b'"') => {
                    let at = self.reader.offset();
                    match self.reader.next() {
                        // A utility statement is a string instead of an object.
                        Ok(_) => self.notes.utility(at),
                        Err(stop) => return self.fault(fault_of(stop, at)),
                    }
                }
                None => {
                    let at = self.reader.offset();
                    return self.fault(Fault { at, kind: FaultKind::Truncated });
                }
                Some(_) => {
                    let at = self.reader.offset();
                    return self.fault(Fault { at, kind: FaultKind::Expected("a statement or `]`") });
                }
            }
        }
    }

    fn fault(&mut self, fault: Fault) -> bool {
        match fault.kind {
            FaultKind::Truncated => self.notes.truncated(fault.at),
            FaultKind::Expected(what) => self.notes.syntax(fault.at, what),
            FaultKind::TooDeep => self.notes.value_too_deep(fault.at),
        }
        false
    }

    /// One statement; false when reading cannot go on. What was read is kept either way.
    fn statement(&mut self) -> bool {
        let at = self.reader.offset();
        let mut statement = Statement::default();
        let result = self.fill(&mut statement);
        while !statement.open.is_empty() {
            statement.close(self.notes);
        }
        match statement.root.take() {
            Some(root) => {
                let mut plan = Plan::new(root);
                for (key, value) in statement.properties {
                    set_plan(&mut plan, &key, value);
                }
                self.plans.push(plan);
            }
            None if result.is_ok() => self.notes.no_plan_in_object(at),
            None => {}
        }
        match result {
            Ok(()) => true,
            Err(fault) => self.fault(fault),
        }
    }

    fn fill(&mut self, statement: &mut Statement) -> Result<(), Fault> {
        self.expect(&Token::OpenMap, "`{`")?;
        // Whether the statement's own braces are around the root, or the root stands alone.
        let mut bare = false;
        loop {
            let in_list = statement.open.last().is_some_and(|open| open.in_list);
            match (self.reader.peek(), in_list) {
                (Some(b','), _) => {
                    let _ = self.reader.next();
                }
                (Some(b']'), true) => {
                    let _ = self.reader.next();
                    if let Some(open) = statement.open.last_mut() {
                        open.in_list = false;
                    }
                }
                (Some(b'{'), true) => self.open_node(statement)?,
                (Some(b'}'), false) => {
                    let _ = self.reader.next();
                    if statement.open.is_empty() {
                        return Ok(());
                    }
                    statement.close(self.notes);
                    if bare && statement.open.is_empty() {
                        return Ok(());
                    }
                }
                (Some(b'"'), false) => {
                    let key = self.key()?;
                    match (key.as_str(), statement.open.last_mut()) {
                        ("Plans", Some(open)) if self.reader.peek() == Some(b'[') => {
                            let _ = self.reader.next();
                            open.in_list = true;
                        }
                        ("Plan", None) if self.reader.peek() == Some(b'{') && statement.root.is_none() => {
                            self.open_node(statement)?;
                        }
                        ("Node Type", None) if statement.root.is_none() && statement.properties.is_empty() => {
                            bare = true;
                            let at = self.reader.offset();
                            statement.open.push(Open::new(at));
                            self.node_property(statement, &key)?;
                        }
                        (_, Some(_)) => self.node_property(statement, &key)?,
                        (_, None) => {
                            let value = self.value(0)?;
                            statement.properties.push((key, value));
                        }
                    }
                }
                (None, _) => return Err(Fault { at: self.reader.offset(), kind: FaultKind::Truncated }),
                (Some(_), true) => return Err(self.expected("a plan node or `]`")),
                (Some(_), false) => return Err(self.expected("a key or `}`")),
            }
        }
    }

    fn open_node(&mut self, statement: &mut Statement) -> Result<(), Fault> {
        let at = self.reader.offset();
        if !self.notes.may_add_node(statement.open.len(), at) {
            return self.skip();
        }
        self.expect(&Token::OpenMap, "`{`")?;
        statement.open.push(Open::new(at));
        Ok(())
    }

    fn node_property(&mut self, statement: &mut Statement, key: &str) -> Result<(), Fault> {
        let value = self.value(0)?;
        if let Some(open) = statement.open.last_mut() {
            open.named |= key == "Node Type";
            set_node(&mut open.node, key, value);
        }
        Ok(())
    }

    fn key(&mut self) -> Result<String, Fault> {
        let at = self.reader.offset();
        let key = match self.reader.next() {
            Ok(Token::Text(key)) => key,
            Ok(_) => return Err(Fault { at, kind: FaultKind::Expected("a key") }),
            Err(stop) => return Err(fault_of(stop, at)),
        };
        self.expect(&Token::Colon, "`:`")?;
        Ok(key)
    }

    fn expect(&mut self, token: &Token, what: &'static str) -> Result<(), Fault> {
        let at = self.reader.offset();
        match self.reader.next() {
            Ok(found) if found == *token => Ok(()),
            Ok(_) | Err(Stop::Bad) => Err(Fault { at, kind: FaultKind::Expected(what) }),
            Err(stop) => Err(fault_of(stop, at)),
        }
    }

    fn expected(&mut self, what: &'static str) -> Fault {
        Fault { at: self.reader.offset(), kind: FaultKind::Expected(what) }
    }

    /// A value; recursive down to [`MAX_VALUE_DEPTH`].
    fn value(&mut self, depth: usize) -> Result<Value, Fault> {
        let at = self.reader.offset();
        if depth > MAX_VALUE_DEPTH {
            return Err(Fault { at, kind: FaultKind::TooDeep });
        }
        match self.reader.next() {
            Ok(Token::Text(text) | Token::Word(text)) => Ok(Value::Scalar(text)),
            Ok(Token::OpenList) => {
                let mut items = Vec::new();
                loop {
                    match self.reader.peek() {
                        Some(b']') => {
                            let _ = self.reader.next();
                            return Ok(Value::List(items));
                        }
                        Some(b',') => {
                            let _ = self.reader.next();
                        }
                        _ => items.push(self.value(depth + 1)?),
                    }
                }
            }
            Ok(Token::OpenMap) => {
                let mut entries = Vec::new();
                loop {
                    match self.reader.peek() {
                        Some(b'}') => {
                            let _ = self.reader.next();
                            return Ok(Value::Map(entries));
                        }
                        Some(b',') => {
                            let _ = self.reader.next();
                        }
                        _ => {
                            let key = self.key()?;
                            entries.push((key, self.value(depth + 1)?));
                        }
                    }
                }
            }
            Ok(_) => Err(Fault { at, kind: FaultKind::Expected("a value") }),
            Err(stop) => Err(fault_of(stop, at)),
        }
    }

    /// Passes over a value of any depth.
    fn skip(&mut self) -> Result<(), Fault> {
        let mut depth = 0usize;
        loop {
            let at = self.reader.offset();
            match self.reader.next() {
                Ok(Token::OpenMap | Token::OpenList) => depth += 1,
                Ok(Token::CloseMap | Token::CloseList) => depth = depth.saturating_sub(1),
                Ok(_) => {}
                Err(stop) => return Err(fault_of(stop, at)),
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }
}

impl Open {
    fn new(at: usize) -> Self {
        Self { node: Node::new(NodeKind::Other(String::new())), named: false, in_list: false, at }
    }
}

impl Statement {
    /// Closes the innermost node and hands it to its parent. A node without a type is kept only for its children's
    /// sake.
    fn close(&mut self, notes: &mut Notes<'_>) {
        let Some(mut open) = self.open.pop() else { return };
        if !open.named {
            notes.nameless_node(open.at);
            if open.node.children.is_empty() {
                return;
            }
        }
        finish_node(&mut open.node);
        match self.open.last_mut() {
            Some(parent) => parent.node.children.push(open.node),
            None => self.root = Some(open.node),
        }
    }
}

fn fault_of(stop: Stop, at: usize) -> Fault {
    let kind = match stop {
        Stop::End { .. } => FaultKind::Truncated,
        Stop::Bad => FaultKind::Expected("JSON"),
    };
    Fault { at, kind }
}
