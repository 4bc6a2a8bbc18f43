//! What the curves of a drawing show, and how each is drawn.

use plotters::{
    prelude::{RGBColor, ShapeStyle},
    style::Color,
};

use super::INK;

/// What a curve shows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Always in place: a line.
    Inline,
    /// Always on the pool: a broken line.
    Pool,
    /// Where the dispatcher ran it: dots.
    Dispatched,
    /// What was measured: dots.
    Measured,
    /// What it would be if it grew as its items do: a broken line.
    InProportion,
}

/// How a curve is drawn.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    Dashes,
    Dots,
    Line,
}

impl Kind {
    pub(super) const ALL: [Self; 5] = [
        Self::Inline,
        Self::Pool,
        Self::Dispatched,
        Self::Measured,
        Self::InProportion,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Inline => "in place",
            Self::Pool => "on the pool",
            Self::Dispatched => "as dispatched",
            Self::Measured => "measured",
            Self::InProportion => "in proportion to the first",
        }
    }

    pub(super) fn shape(self) -> Shape {
        match self {
            Self::Inline => Shape::Line,
            Self::Pool | Self::InProportion => Shape::Dashes,
            Self::Dispatched | Self::Measured => Shape::Dots,
        }
    }

    pub(super) fn style(self) -> ShapeStyle {
        match self {
            Self::Inline => BLUE.stroke_width(3),
            Self::Pool | Self::InProportion => ORANGE.stroke_width(3),
            Self::Dispatched | Self::Measured => INK.filled(),
        }
    }
}

/// Told apart by those who see no red and green, too.
const BLUE: RGBColor = RGBColor(0x09, 0x69, 0xda);
const ORANGE: RGBColor = RGBColor(0xbc, 0x4c, 0x00);
