//! Tests that the generator has the properties in its documentation.

use super::*;

#[test]
fn the_sequence_is_the_same_for_everybody() {
    let (mut one, mut other) = (MadeUpTweets::new(1, 1000), MadeUpTweets::new(1, 1000));
    for _ in 0..1000 {
        assert_eq!(one.tweet(), other.tweet());
    }
}

#[test]
fn one_in_twenty_is_late_and_history_covers_a_day() {
    let mut source = MadeUpTweets::new(1, 1_000_000);
    let mut late = 0;
    for _ in 0..100_000 {
        let tweet = source.tweet();
        late += u64::from(tweet.publish_date < source.now());
    }
    assert!((4_500..5_500).contains(&late), "{late} of 100,000 are late");
    assert_eq!(source.now().micros() - START_US, 24 * HOUR_US / 10);
}
