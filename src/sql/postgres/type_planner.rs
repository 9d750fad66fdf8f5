//! Names of types in a statement: the columns that `PostgreSQL`'s types become.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast::{
    CharacterLength, DataType as Ast, ExactNumberInfo, TimezoneInfo,
};

use super::failure::{Outcome, failure, refused};
use super::named_type;
use super::own_scale::OWN_SCALES;
use super::type_name::{INTERVAL, TIME, TIMESTAMP, timestamptz};

/// The planner's hook for types.
#[derive(Debug)]
pub(super) struct PgTypes;

impl TypePlanner for PgTypes {
    fn plan_type_field(&self, sql_type: &Ast) -> Outcome<Option<FieldRef>> {
        Ok(Some(match sql_type {
            Ast::Text => named_type::field(named_type::TEXT, None),
            Ast::JSON => named_type::field(named_type::JSON, None),
            Ast::Varchar(length) | Ast::CharacterVarying(length) => varying(*length)?,
            other => match planned(other)? {
                Some(data_type) => Arc::new(Field::new("", data_type, true)),
                None => return Ok(None),
            },
        }))
    }
}

fn planned(sql_type: &Ast) -> Outcome<Option<DataType>> {
    Ok(Some(match sql_type {
        Ast::Float(precision) => match precision {
            ExactNumberInfo::Precision(1..=24) => DataType::Float32,
            ExactNumberInfo::Precision(25..=53) | ExactNumberInfo::None => DataType::Float64,
            _ => return Err(failure("22023", "precision of float must be from 1 to 53 bits")),
        },
        Ast::Timestamp(precision, zone) => {
            microseconds(*precision)?;
            match zone {
                TimezoneInfo::Tz | TimezoneInfo::WithTimeZone => timestamptz(),
                TimezoneInfo::None | TimezoneInfo::WithoutTimeZone => TIMESTAMP,
            }
        }
        Ast::Time(precision, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            microseconds(*precision)?;
            TIME
        }
        Ast::Interval { fields: None, precision: None } => INTERVAL,
        Ast::Numeric(info) | Ast::Decimal(info) | Ast::Dec(info) => numeric(*info)?,
        Ast::Char(_) | Ast::Character(_) => {
            return Err(refused("char(n), which pads with blanks,", "write varchar(n) or text"));
        }
        _ => return Ok(None),
    }))
}

fn varying(length: Option<CharacterLength>) -> Outcome<FieldRef> {
    let length = match length {
        None | Some(CharacterLength::Max) => None,
        Some(CharacterLength::IntegerLength { length: 0, .. }) => {
            return Err(failure("22023", "length for type varchar must be at least 1"));
        }
        Some(CharacterLength::IntegerLength { length, .. }) => Some(length),
    };
    Ok(named_type::field(named_type::VARCHAR, length))
}

fn microseconds(precision: Option<u64>) -> Outcome<()> {
    match precision {
        None | Some(6) => Ok(()),
        Some(_) => Err(refused("a time with fewer digits", "write date_trunc('second', x)")),
    }
}

fn numeric(info: ExactNumberInfo) -> Outcome<DataType> {
    let (precision, scale) = match info {
        ExactNumberInfo::None => return Ok(OWN_SCALES),
        ExactNumberInfo::Precision(precision) => (precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (precision, scale),
    };
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(precision @ 1..=38), Ok(scale)) if (0..=38).contains(&scale) => {
            // A scale above the precision leaves room for fewer digits than are allowed there.
            Ok(DataType::Decimal128(precision.max(scale as u8), scale))
        }
        (Ok(1..) | Err(_), Ok(_)) => {
            Err(refused("numeric of more than 38 digits", "write numeric(38, s)"))
        }
        _ => Err(failure("22023", "NUMERIC precision must be between 1 and 1000")),
    }
}
