//! A neutral report document, printed as terminal text, Markdown or JSON.
