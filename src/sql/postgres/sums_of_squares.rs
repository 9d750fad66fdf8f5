//! Sums of squares of doubles, from which all statistics follow (the method of Youngs and Cramer).

use datafusion::arrow::datatypes::DataType;

use super::failure::{Outcome, failure};

/// The number of sums.
pub(super) const SUMS: usize = 6;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Statistic {
    Deviation,
    DeviationOfAll,
    Variance,
    VarianceOfAll,
    Covariance,
    CovarianceOfAll,
    Correlation,
    AverageX,
    AverageY,
    Count,
    Intercept,
    Determination,
    Slope,
    SquaresX,
    SquaresY,
    Products,
}

impl Statistic {
    /// The number of arguments.
    pub(super) fn arguments(self) -> usize {
        match self {
            Statistic::Deviation
            | Statistic::DeviationOfAll
            | Statistic::Variance
            | Statistic::VarianceOfAll => 1,
            _ => 2,
        }
    }

    pub(super) fn data_type(self) -> DataType {
        match self {
            Statistic::Count => DataType::Int64,
            _ => DataType::Float64,
        }
    }
}

/// The sums: of values, of squares of distances from the average, and of products of those.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SumsOfSquares {
    count: f64,
    x: f64,
    xx: f64,
    y: f64,
    yy: f64,
    xy: f64,
}

impl SumsOfSquares {
    pub(super) fn parts(&self) -> [f64; SUMS] {
        [self.count, self.x, self.xx, self.y, self.yy, self.xy]
    }

    pub(super) fn of_parts(parts: [f64; SUMS]) -> SumsOfSquares {
        let [count, x, xx, y, yy, xy] = parts;
        SumsOfSquares { count, x, xx, y, yy, xy }
    }

    /// Adds a pair.
    ///
    /// # Errors
    /// When a sum of finite values is too large.
    pub(super) fn add(&mut self, y: f64, x: f64) -> Outcome<()> {
        let before = *self;
        self.count += 1.0;
        self.x += x;
        self.y += y;
        if before.count == 0.0 {
            // The squares of what is not finite are no number.
            if !x.is_finite() {
                (self.xx, self.xy) = (f64::NAN, f64::NAN);
            }
            if !y.is_finite() {
                (self.yy, self.xy) = (f64::NAN, f64::NAN);
            }
            return Ok(());
        }
        let far_x = x * self.count - self.x;
        let far_y = y * self.count - self.y;
        let scale = 1.0 / (self.count * before.count);
        self.xx += far_x * far_x * scale;
        self.yy += far_y * far_y * scale;
        self.xy += far_x * far_y * scale;
        let was_x = !before.x.is_infinite() && !x.is_infinite();
        let was_y = !before.y.is_infinite() && !y.is_infinite();
        self.checked(was_x, was_y)
    }

    /// Adds the sums of other pairs.
    ///
    /// # Errors
    /// As for [`SumsOfSquares::add`].
    pub(super) fn join(&mut self, other: SumsOfSquares) -> Outcome<()> {
        if other.count == 0.0 {
            return Ok(());
        }
        if self.count == 0.0 {
            *self = other;
            return Ok(());
        }
        let before = *self;
        let count = before.count + other.count;
        let far_x = before.x / before.count - other.x / other.count;
        let far_y = before.y / before.count - other.y / other.count;
        let scale = before.count * other.count / count;
        *self = SumsOfSquares {
            count,
            x: before.x + other.x,
            xx: before.xx + other.xx + scale * far_x * far_x,
            y: before.y + other.y,
            yy: before.yy + other.yy + scale * far_y * far_y,
            xy: before.xy + other.xy + scale * far_x * far_y,
        };
        let was_x = !before.x.is_infinite() && !other.x.is_infinite();
        let was_y = !before.y.is_infinite() && !other.y.is_infinite();
        self.checked(was_x, was_y)
    }

    /// Checks sums of which those of `x` and `y` were finite before.
    fn checked(&mut self, was_x: bool, was_y: bool) -> Outcome<()> {
        let is_x = (self.x.is_infinite() || self.xx.is_infinite()) && was_x;
        let is_y = (self.y.is_infinite() || self.yy.is_infinite()) && was_y;
        if is_x || is_y || (self.xy.is_infinite() && was_x && was_y) {
            return Err(failure("22003", "value out of range: overflow"));
        }
        for sum in [&mut self.xx, &mut self.yy, &mut self.xy] {
            if sum.is_infinite() {
                *sum = f64::NAN;
            }
        }
        Ok(())
    }

    /// The statistic; none where there are too few pairs.
    pub(super) fn value(&self, statistic: Statistic) -> Option<f64> {
        let SumsOfSquares { count, x, xx, y, yy, xy } = *self;
        let of_all = |sum: f64| (count >= 1.0).then(|| sum / count);
        let of_some = |sum: f64| (count >= 2.0).then(|| sum / (count - 1.0));
        let is_there = count >= 1.0;
        match statistic {
            Statistic::Deviation => of_some(xx).map(f64::sqrt),
            Statistic::DeviationOfAll => of_all(xx).map(f64::sqrt),
            Statistic::Variance => of_some(xx),
            Statistic::VarianceOfAll => of_all(xx),
            Statistic::Covariance => of_some(xy),
            Statistic::CovarianceOfAll => of_all(xy),
            Statistic::Correlation => {
                (is_there && xx != 0.0 && yy != 0.0).then(|| xy / (xx * yy).sqrt())
            }
            Statistic::AverageX => of_all(x),
            Statistic::AverageY => of_all(y),
            Statistic::Count => Some(count),
            Statistic::Intercept => (is_there && xx != 0.0).then(|| (y - x * xy / xx) / count),
            Statistic::Determination if yy == 0.0 => (is_there && xx != 0.0).then_some(1.0),
            Statistic::Determination => (is_there && xx != 0.0).then(|| (xy * xy) / (xx * yy)),
            Statistic::Slope => (is_there && xx != 0.0).then(|| xy / xx),
            Statistic::SquaresX => is_there.then_some(xx),
            Statistic::SquaresY => is_there.then_some(yy),
            Statistic::Products => is_there.then_some(xy),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_give_what_the_whole_gives() {
        let pairs = [(1.0, 2.0), (3.0, 5.0), (4.5, -1.0), (0.0, 7.0)];
        let sums = |pairs: &[(f64, f64)]| {
            let mut sums = SumsOfSquares::default();
            pairs.iter().try_for_each(|(y, x)| sums.add(*y, *x)).expect("in range");
            sums
        };
        let whole = sums(&pairs);
        let mut joined = sums(&pairs[..1]);
        joined.join(sums(&pairs[1..])).expect("in range");
        for statistic in [Statistic::Correlation, Statistic::Slope, Statistic::Deviation] {
            let (one, other) = (whole.value(statistic), joined.value(statistic));
            let gap = one.zip(other).map(|(one, other)| (one - other).abs());
            assert!(gap.is_some_and(|gap| gap < 1e-12), "{statistic:?}: {one:?} {other:?}");
        }
        let mut sums = SumsOfSquares::default();
        sums.add(0.0, f64::INFINITY).expect("infinity is no overflow");
        assert!(sums.value(Statistic::VarianceOfAll).is_some_and(f64::is_nan));
        let mut sums = SumsOfSquares::default();
        sums.add(0.0, 1e300).expect("in range");
        assert!(sums.add(0.0, -1e300).is_err());
    }
}
