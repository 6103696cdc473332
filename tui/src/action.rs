//! What a user can do. Keys, help, palette and configuration are made of this one list.

/// One thing that can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Up by one.
    Up,
    /// Down by one.
    Down,
    /// To the left: a column, a lane, a branch that closes.
    Left,
    /// To the right.
    Right,
    /// Up by a page.
    PageUp,
    /// Down by a page.
    PageDown,
    /// To the first.
    First,
    /// To the last, and follow what comes.
    Last,
    /// Opens what is selected.
    Open,
    /// Back to what was there before.
    Back,
    /// The next tab.
    NextTab,
    /// The previous tab.
    PreviousTab,
    /// A tab by number, from 1.
    Tab(u8),
    /// To edit the filter.
    Filter,
    /// To search in what is shown.
    Search,
    /// The next hit.
    NextHit,
    /// The previous hit.
    PreviousHit,
    /// To choose what is sorted by.
    Sort,
    /// Sorts the other way round.
    Reverse,
    /// To choose columns.
    Columns,
    /// Nothing on the screen changes until it is asked again; the capture goes on.
    Pause,
    /// Marks what is selected.
    Mark,
    /// Marks all, or none.
    MarkAll,
    /// Writes what is marked, or selected, to a file.
    Export,
    /// Copies what is selected.
    Copy,
    /// To what belongs to what is selected.
    Related,
    /// The flows of what is selected.
    ToFlows,
    /// The stream of the flow.
    ToStream,
    /// Another form of the same: text or hex, tree or bytes.
    Form,
    /// Names or addresses.
    Names,
    /// Reads the sites file again.
    ReloadSites,
    /// Help on the screen at hand.
    Help,
    /// All that can be done, to be searched.
    Palette,
    /// Draws everything anew.
    Redraw,
    /// Gives the terminal back until the program is told to go on.
    Suspend,
    /// Ends the program.
    Quit,
}
