//! Bars of a chart: where each stands in the picture, which is drawn here and not by a script.

/// How wide the picture is, and how high the highest bar; what stands under the bars comes below.
pub(crate) const WIDTH: u64 = 480;
pub(crate) const HEIGHT: u64 = 120;

/// A bar, with its place in the picture.
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) number: u64,
    pub(crate) x: u64,
    pub(crate) y: u64,
    pub(crate) width: u64,
    pub(crate) height: u64,
    /// What stands under it, and at which place; of many bars some have nothing.
    pub(crate) under: String,
    pub(crate) middle: u64,
}

impl Bar {
    /// The bars of these numbers, from left to right; the highest is as high as the picture.
    pub(crate) fn all<'a>(parts: impl ExactSizeIterator<Item = (&'a str, u64)> + Clone) -> Vec<Self> {
        let most = parts.clone().map(|(_, number)| number).max().unwrap_or(0).max(1);
        let place = WIDTH / (parts.len() as u64).max(1);
        let each = parts.len().div_ceil(8);
        let bars = (0..).zip(parts).map(|(index, (name, number))| {
            // What there is is seen, however little.
            let height = (number.saturating_mul(HEIGHT) / most).max(u64::from(number > 0) * 2);
            let left = index as u64 * place;
            let under = if index % each == 0 { name.to_owned() } else { String::new() };
            Self {
                name: name.to_owned(),
                number,
                x: left + place / 8,
                y: HEIGHT - height,
                width: place - place / 4,
                height,
                under,
                middle: left + place / 2,
            }
        });
        bars.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_high_as_their_numbers_and_stay_in_the_picture() {
        for numbers in [vec![0; 24], vec![7], vec![1, 1_000, 500, 0, 0, 0, 250], vec![u64::MAX, 3, 0]] {
            let bars = Bar::all(numbers.iter().map(|number| ("name", *number)));
            assert_eq!(bars.len(), numbers.len());
            for (bar, number) in bars.iter().zip(numbers) {
                assert!(bar.x + bar.width <= WIDTH && bar.y + bar.height == HEIGHT, "{} {}", bar.x, bar.y);
                assert_eq!(bar.height > 0, number > 0);
            }
        }
        let bars = Bar::all([("a", 1_000), ("b", 500), ("c", 1)].into_iter());
        assert_eq!(bars.iter().map(|bar| bar.height).collect::<Vec<_>>(), [120, 60, 2]);
    }

    #[test]
    fn of_many_bars_every_third_is_named() {
        let names: Vec<String> = (0..24).map(|hour| format!("{hour:02}:00")).collect();
        let bars = Bar::all(names.iter().map(|name| (name.as_str(), 1)));
        let under: Vec<&str> = bars.iter().map(|bar| bar.under.as_str()).filter(|under| !under.is_empty()).collect();
        assert_eq!(under, ["00:00", "03:00", "06:00", "09:00", "12:00", "15:00", "18:00", "21:00"]);
    }
}
