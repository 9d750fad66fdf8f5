//! Words, tags and constants of made-up tweets.

/// Tags with a name; the rest are numbered.
pub(super) const NAMED: [&str; 40] = [
    "rust",
    "Zürich",
    "música",
    "東京",
    "football",
    "news",
    "été",
    "monday",
    "coffee",
    "data",
    "привет",
    "vote",
    "sunset",
    "καλημέρα",
    "jazz",
    "winter",
    "python",
    "cats",
    "caffè",
    "москва",
    "snow",
    "books",
    "dogs",
    "cinema",
    "vélo",
    "science",
    "مرحبا",
    "train",
    "rain",
    "tea",
    "brunch",
    "køkken",
    "design",
    "maths",
    "garden",
    "춤",
    "opera",
    "running",
    "bread",
    "चाय",
];
pub(super) const OPENINGS: [&str; 8] = [
    "just seen",
    "so much",
    "who else likes",
    "breaking:",
    "never again",
    "good morning",
    "reading about",
    "long live",
];
pub(super) const REGIONS: [&str; 6] =
    ["Europe", "United States", "Japan", "Brazil", "India", "Unknown"];
pub(super) const LANGUAGES: [&str; 5] = ["English", "German", "Japanese", "Portuguese", "Russian"];
pub(super) const CATEGORIES: [&str; 4] = ["Person", "Newsroom", "Company", "Bot"];

/// The time of the first tweet: 2026-01-01T00:00:00Z.
pub(super) const START_US: i64 = 1_767_225_600_000_000;
pub(super) const HOUR_US: i64 = 3_600_000_000;
/// The longest time between two events: history covers a day, unless this makes it shorter.
pub(super) const STEP_US_MAX: i64 = 150_000;
pub(super) const TAGS: usize = 3_000;
pub(super) const AUTHORS: usize = 10_000;
/// One in so many events is late.
pub(super) const LATE: u64 = 20;
