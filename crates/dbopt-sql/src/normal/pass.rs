//! One pass over the tokens of a statement.

use super::{Fingerprint, hash};
use crate::{
    keyword::{expects_operand, needs_quotes},
    lexer::{Lexer, Token, TokenKind, lex},
};

/// Lists within lists that are looked into; deeper ones are taken as they are.
const DEEPEST: usize = 16;
/// Different elements of one list that are remembered.
const REMEMBERED: usize = 8;

const PLACEHOLDER: u64 = 0x01;
const LIST: u64 = 0x02;
const ELEMENT: u64 = 0x03;
const QUOTED: u64 = 0x04;
const OPERATOR: u64 = 0x05;
const PUNCTUATION: u64 = 0x100;

/// The pass. `TEXT` says whether the text is wanted besides the fingerprint.
pub(super) struct Pass<'a, const TEXT: bool> {
    sql: &'a [u8],
    lexer: Lexer<'a>,
    state: u64,
    text: Vec<u8>,
    /// Placeholders written so far.
    placeholders: u32,
    previous: Option<Token>,
    /// Open parentheses and brackets.
    depth: usize,
    lists: Vec<List>,
    /// Semicolons that are written once something follows them.
    semicolons: usize,
    /// Whether a token may end something before it; see `arrive`.
    watchful: bool,
    /// Whether a name of the moment is still to come.
    awaits_name: bool,
    /// Whether the command is `FETCH` or `MOVE`, whose name may stand behind a count and `FROM` or `IN`.
    moves_cursor: bool,
}

/// A list whose equal elements count once.
struct List {
    /// State before the list, and with each different element.
    state: u64,
    /// Depth at which its commas stand.
    depth: usize,
    /// Whether it is `VALUES (…), (…)`, which nothing closes.
    rows: bool,
    /// States of the different elements so far.
    seen: [u64; REMEMBERED],
    seen_count: usize,
    /// Text and placeholders before the element, with its comma.
    text_before: usize,
    placeholders_before: u32,
}

impl<'a, const TEXT: bool> Pass<'a, TEXT> {
    pub(super) fn new(sql: &'a [u8]) -> Self {
        Self {
            sql,
            lexer: lex(sql),
            state: hash::START,
            text: Vec::with_capacity(if TEXT { sql.len().min(4096) } else { 0 }),
            placeholders: 0,
            previous: None,
            depth: 0,
            lists: Vec::new(),
            semicolons: 0,
            watchful: false,
            awaits_name: false,
            moves_cursor: false,
        }
    }

    pub(super) fn run(mut self) -> (Fingerprint, Vec<u8>) {
        while let Some(token) = self.lexer.next() {
            // The kinds are told apart here and nowhere else, right behind the lexer, so that both branch as one.
            let kind = match token.kind {
                TokenKind::Word => self.word(token),
                TokenKind::Punctuation if self.sql[token.start] == b';' => {
                    self.semicolons += usize::from(self.previous.is_some());
                    self.watchful = true;
                    continue;
                }
                TokenKind::Punctuation => self.punctuation(token),
                TokenKind::Operator => self.operator(token),
                TokenKind::Number | TokenKind::Param => self.constant(token),
                TokenKind::String => self.string(token),
                TokenKind::QuotedIdent => self.quoted(token),
            };
            self.previous = Some(Token { kind, ..token });
        }
        while !self.lists.is_empty() {
            self.close_list();
        }
        (Fingerprint(self.state), self.text)
    }

    /// A semicolon with something behind it; any number of them is one.
    fn statement_end(&mut self) {
        while !self.lists.is_empty() {
            self.close_list();
        }
        self.semicolons = 0;
        self.depth = 0;
        self.awaits_name = false;
        self.moves_cursor = false;
        self.state = hash::mix(self.state, PUNCTUATION | u64::from(b';'));
        if TEXT {
            self.text.push(b';');
        }
        self.previous = None;
    }

    /// Ends what a token shows to have ended: the statement before, and the rows of a `VALUES`.
    #[inline]
    fn arrive(&mut self, token: Token) {
        if self.watchful {
            self.settle(token);
        }
    }

    #[inline(never)]
    fn settle(&mut self, token: Token) {
        if self.semicolons > 0 {
            self.statement_end();
        }
        if self.rows_end(token) {
            self.close_list();
        }
        self.watchful = self.lists.iter().any(|list| list.rows);
    }

    /// Whether a word is the name that its command waits for. Settles which commands wait for one.
    #[inline(never)]
    fn is_name_of_the_moment(&mut self, token: Token) -> bool {
        let mut buffer = [0; 16];
        if self.previous.is_none() {
            let command = lower(&self.sql[token.start..token.end], &mut buffer);
            self.awaits_name = names_of_the_moment(command);
            self.moves_cursor = matches!(command, b"fetch" | b"move");
            return false;
        }
        let word = lower(&self.sql[token.start..token.end], &mut buffer);
        self.awaits_name |= self.moves_cursor && matches!(word, b"from" | b"in");
        self.awaits_name && !is_noise(word)
    }

    #[inline]
    fn constant(&mut self, token: Token) -> TokenKind {
        self.arrive(token);
        self.placeholder();
        token.kind
    }

    #[inline]
    fn string(&mut self, token: Token) -> TokenKind {
        self.arrive(token);
        // Strings in a row are one constant.
        if self.previous.is_none_or(|previous| previous.kind != TokenKind::String) {
            self.placeholder();
        }
        token.kind
    }

    #[inline]
    fn placeholder(&mut self) {
        self.awaits_name = false;
        self.state = hash::mix(self.state, PLACEHOLDER);
        if TEXT {
            self.space(b"$");
            self.placeholders += 1;
            self.text.push(b'$');
            self.text.extend_from_slice(self.placeholders.to_string().as_bytes());
        }
    }

    #[inline]
    fn operator(&mut self, token: Token) -> TokenKind {
        self.arrive(token);
        let bytes = &self.sql[token.start..token.end];
        if matches!(bytes, b"-" | b"+") && !self.follows_operand() {
            let mut ahead = self.lexer.clone();
            if look(&mut ahead).is_some_and(|next| next.kind == TokenKind::Number) {
                self.lexer = ahead;
                self.placeholder();
                return token.kind;
            }
        }
        self.state = hash::operator(self.state, OPERATOR, self.sql, token.start, token.end);
        if TEXT {
            self.write(token);
        }
        token.kind
    }

    /// Whether what stands before is an operand, so that a sign is an operator.
    fn follows_operand(&self) -> bool {
        let Some(previous) = self.previous else { return false };
        match previous.kind {
            TokenKind::Operator => self.sql[previous.start] == b':' && previous.end - previous.start == 2,
            TokenKind::Punctuation => matches!(self.sql[previous.start], b')' | b']'),
            TokenKind::Word => !self.expects_operand(previous),
            TokenKind::QuotedIdent | TokenKind::String | TokenKind::Number | TokenKind::Param => true,
        }
    }

    fn expects_operand(&self, token: Token) -> bool {
        let mut buffer = [0; 16];
        expects_operand(lower(&self.sql[token.start..token.end], &mut buffer))
    }

    #[inline]
    fn word(&mut self, token: Token) -> TokenKind {
        self.arrive(token);
        if (self.previous.is_none() || self.awaits_name || self.moves_cursor) && self.is_name_of_the_moment(token) {
            self.placeholder();
            return TokenKind::Param;
        }
        let bytes = &self.sql[token.start..token.end];
        self.state = hash::word(self.state, self.sql, token.start, token.end);
        if TEXT {
            self.space(bytes);
            self.text.extend(bytes.iter().map(u8::to_ascii_lowercase));
        }
        if bytes.len() == 6 && bytes.eq_ignore_ascii_case(b"values") && self.next_is(b'(') {
            self.open_list(self.depth, true);
        }
        token.kind
    }

    fn quoted(&mut self, token: Token) -> TokenKind {
        self.arrive(token);
        if self.awaits_name {
            self.placeholder();
            return TokenKind::Param;
        }
        let inner = self.sql.get(token.start + 1..token.end.saturating_sub(1)).unwrap_or_default();
        let simple = token.closed
            && self.sql[token.start] == b'"'
            && inner.first().is_some_and(|first| first.is_ascii_lowercase() || *first == b'_')
            && inner.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_');
        if simple {
            self.state = hash::word(self.state, self.sql, token.start + 1, token.end - 1);
        } else {
            self.state = hash::bytes(hash::mix(self.state, QUOTED), self.sql, token.start, token.end);
        }
        if TEXT {
            let bare = simple && std::str::from_utf8(inner).is_ok_and(|name| !needs_quotes(name));
            self.write(if bare { Token { start: token.start + 1, end: token.end - 1, ..token } } else { token });
        }
        token.kind
    }

    #[inline]
    fn punctuation(&mut self, token: Token) -> TokenKind {
        self.arrive(token);
        let byte = self.sql[token.start];
        match byte {
            b',' if self.lists.last().is_some_and(|list| list.depth == self.depth) => {
                self.close_element();
                self.open_element();
                // The comma belongs to the element that follows, and goes when that element does.
                if TEXT {
                    self.text.push(b',');
                }
                return token.kind;
            }
            b')' | b']' => {
                while self.lists.last().is_some_and(|list| list.depth >= self.depth) {
                    self.close_list();
                }
                self.depth = self.depth.saturating_sub(1);
            }
            _ => {}
        }
        self.state = hash::mix(self.state, PUNCTUATION | u64::from(byte));
        if TEXT {
            self.write(token);
        }
        if matches!(byte, b'(' | b'[') {
            self.depth += 1;
            if self.opens_list(byte) {
                self.open_list(self.depth, false);
            }
        }
        token.kind
    }

    /// Whether the parenthesis or bracket just read opens a list of values.
    fn opens_list(&self, byte: u8) -> bool {
        let Some(previous) = self.previous.filter(|previous| previous.kind == TokenKind::Word) else { return false };
        let word = &self.sql[previous.start..previous.end];
        if byte == b'[' {
            return word.eq_ignore_ascii_case(b"array");
        }
        word.eq_ignore_ascii_case(b"in")
            && look(&mut self.lexer.clone()).is_none_or(|next| {
                let first = &self.sql[next.start..next.end];
                let queries: [&[u8]; 4] = [b"select", b"with", b"values", b"table"];
                next.kind != TokenKind::Word || !queries.iter().any(|query| first.eq_ignore_ascii_case(query))
            })
    }

    /// Whether a token stands behind the last row of `VALUES`.
    fn rows_end(&self, token: Token) -> bool {
        self.lists.last().is_some_and(|list| list.rows && list.depth == self.depth)
            && self
                .previous
                .is_some_and(|previous| self.sql[previous.start] == b')' && previous.kind == TokenKind::Punctuation)
            && self.sql[token.start] != b','
    }

    fn next_is(&self, byte: u8) -> bool {
        look(&mut self.lexer.clone())
            .is_some_and(|next| next.kind == TokenKind::Punctuation && self.sql[next.start] == byte)
    }

    fn open_list(&mut self, depth: usize, rows: bool) {
        if self.lists.len() < DEEPEST {
            let state = hash::mix(self.state, LIST);
            self.watchful |= rows;
            self.lists.push(List {
                state,
                depth,
                rows,
                seen: [0; REMEMBERED],
                seen_count: 0,
                text_before: 0,
                placeholders_before: 0,
            });
            self.open_element();
        }
    }

    fn open_element(&mut self) {
        self.state = hash::mix(hash::START, ELEMENT);
        if let Some(list) = self.lists.last_mut() {
            list.text_before = self.text.len();
            list.placeholders_before = self.placeholders;
        }
    }

    /// Counts the element that ends here, unless an equal one was counted.
    fn close_element(&mut self) {
        let Some(list) = self.lists.last_mut() else { return };
        if list.seen[..list.seen_count].contains(&self.state) {
            self.text.truncate(list.text_before);
            self.placeholders = list.placeholders_before;
            return;
        }
        list.state = hash::mix(list.state, self.state);
        if list.seen_count < REMEMBERED {
            list.seen[list.seen_count] = self.state;
            list.seen_count += 1;
        }
    }

    fn close_list(&mut self) {
        self.close_element();
        if let Some(list) = self.lists.pop() {
            self.state = hash::mix(list.state, LIST);
        }
    }

    fn write(&mut self, token: Token) {
        self.space(&self.sql[token.start..token.end]);
        self.text.extend_from_slice(&self.sql[token.start..token.end]);
    }

    /// Writes a space where one belongs before a token.
    fn space(&mut self, token: &[u8]) {
        let Some(last) = self.text.last().copied() else { return };
        let Some(previous) = self.previous else {
            // The first token behind a semicolon.
            self.text.push(b' ');
            return;
        };
        let after_opening = previous.kind == TokenKind::Punctuation && matches!(last, b'(' | b'[' | b'.');
        let cast = |kind, bytes: &[u8]| kind == TokenKind::Operator && bytes == b"::";
        let after_cast = cast(previous.kind, &self.sql[previous.start..previous.end]);
        let before = match token {
            b"," | b")" | b"]" | b"." => true,
            b"[" => !after_opening,
            b"(" => {
                matches!(previous.kind, TokenKind::Word | TokenKind::QuotedIdent) && !self.expects_operand(previous)
            }
            b"::" => last != b':',
            _ => false,
        };
        if !(after_opening || after_cast || before) {
            self.text.push(b' ');
        }
    }
}

/// The next token, where that is asked for seldom: out of line, so that the loop over all tokens has the lexer inline.
#[inline(never)]
fn look(lexer: &mut Lexer<'_>) -> Option<Token> {
    lexer.next()
}

/// A word in lower case, as far as the buffer goes; longer ones are no keyword that matters here.
fn lower<'b>(word: &[u8], buffer: &'b mut [u8; 16]) -> &'b [u8] {
    if word.len() > buffer.len() {
        return &[];
    }
    let lower = &mut buffer[..word.len()];
    lower.copy_from_slice(word);
    lower.make_ascii_lowercase();
    lower
}

/// Commands that name a savepoint, a cursor or a prepared statement.
fn names_of_the_moment(word: &[u8]) -> bool {
    matches!(
        word,
        b"savepoint"
            | b"release"
            | b"rollback"
            | b"deallocate"
            | b"close"
            | b"declare"
            | b"fetch"
            | b"move"
            | b"prepare"
            | b"execute"
    )
}

/// Words that may stand between such a command and the name.
fn is_noise(word: &[u8]) -> bool {
    matches!(
        word,
        b"savepoint"
            | b"to"
            | b"work"
            | b"transaction"
            | b"prepare"
            | b"prepared"
            | b"all"
            | b"next"
            | b"prior"
            | b"first"
            | b"last"
            | b"absolute"
            | b"relative"
            | b"forward"
            | b"backward"
            | b"from"
            | b"in"
            | b"and"
            | b"chain"
            | b"no"
    )
}
