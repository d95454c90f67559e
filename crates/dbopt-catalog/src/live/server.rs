//! The server, the database and the settings.

use super::{error::Error, session::Session};
use crate::{Server, Settings};

pub(super) async fn search_path(session: &Session<'_>) -> Result<Vec<String>, Error> {
    let rows = session.query("the search path", include_str!("../queries/search_path.sql"), &[]).await?;
    rows.first().map_or(Ok(Vec::new()), |row| row.get("search_path"))
}

/// The server, the database's name and the role.
pub(super) async fn server(session: &Session<'_>) -> Result<(Server, Option<String>, String), Error> {
    let rows = session.query("the server", include_str!("../queries/server.sql"), &[]).await?;
    let Some(row) = rows.first() else {
        return Ok((Server::default(), None, String::new()));
    };
    let number = |column| row.get::<i32>(column).map(i32::unsigned_abs);
    let server = Server {
        version_num: number("version_num")?,
        block_size: number("block_size")?,
        encoding: row.get("encoding")?,
        collation: row.get("collation")?,
        in_recovery: row.get("in_recovery")?,
        statistics_reset: row.get("statistics_reset")?,
        read_at: row.get("read_at")?,
    };
    Ok((server, row.get("database")?, row.get("role")?))
}

pub(super) async fn settings(session: &Session<'_>, block_size: u32) -> Result<Settings, Error> {
    let mut settings = Settings::default();
    for row in session.query("the settings", include_str!("../queries/settings.sql"), &[]).await? {
        let (name, text): (&str, &str) = (row.get("name")?, row.get("setting")?);
        // Settings of other kinds (texts, enumerations, times) are not among those that are kept.
        let Some(value) = in_base_units(text, row.get("unit")?) else { continue };
        set(&mut settings, name, value, f64::from(block_size.max(1)));
    }
    Ok(settings)
}

/// Sets the field of a setting's name, if there is one, to a value in bytes or without unit.
fn set(settings: &mut Settings, name: &str, value: f64, page: f64) {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the server bounds these by 2^31")]
    let whole = value as u32;
    let on = value != 0.0;
    match name {
        "seq_page_cost" => settings.seq_page_cost = value,
        "random_page_cost" => settings.random_page_cost = value,
        "cpu_tuple_cost" => settings.cpu_tuple_cost = value,
        "cpu_index_tuple_cost" => settings.cpu_index_tuple_cost = value,
        "cpu_operator_cost" => settings.cpu_operator_cost = value,
        "parallel_setup_cost" => settings.parallel_setup_cost = value,
        "parallel_tuple_cost" => settings.parallel_tuple_cost = value,
        "effective_cache_size" => settings.effective_cache_size = value / page,
        "work_mem" => settings.work_mem = value,
        "hash_mem_multiplier" => settings.hash_mem_multiplier = value,
        "maintenance_work_mem" => settings.maintenance_work_mem = value,
        "max_parallel_workers_per_gather" => settings.max_parallel_workers_per_gather = whole,
        "min_parallel_table_scan_size" => settings.min_parallel_table_scan_size = value / page,
        "min_parallel_index_scan_size" => settings.min_parallel_index_scan_size = value / page,
        "default_statistics_target" => settings.default_statistics_target = whole,
        "enable_seqscan" => settings.enable_seqscan = on,
        "enable_indexscan" => settings.enable_indexscan = on,
        "enable_indexonlyscan" => settings.enable_indexonlyscan = on,
        "enable_bitmapscan" => settings.enable_bitmapscan = on,
        "enable_nestloop" => settings.enable_nestloop = on,
        "enable_hashjoin" => settings.enable_hashjoin = on,
        "enable_mergejoin" => settings.enable_mergejoin = on,
        "enable_sort" => settings.enable_sort = on,
        "enable_incremental_sort" => settings.enable_incremental_sort = on,
        "enable_hashagg" => settings.enable_hashagg = on,
        "enable_material" => settings.enable_material = on,
        "enable_memoize" => settings.enable_memoize = on,
        "from_collapse_limit" => settings.from_collapse_limit = whole,
        "join_collapse_limit" => settings.join_collapse_limit = whole,
        _ => {}
    }
}

/// A value of `pg_settings` in bytes or as it is; a switch gives 0 or 1. Units are those of `guc.c`: `B`, `kB`, `MB`,
/// `8kB` and the like (a page or a WAL page).
fn in_base_units(setting: &str, unit: Option<&str>) -> Option<f64> {
    let value = match setting {
        "on" => 1.0,
        "off" => 0.0,
        number => number.parse::<f64>().ok()?,
    };
    let Some(unit) = unit else {
        return Some(value);
    };
    let digits = unit.len() - unit.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (count, name) = unit.split_at(digits);
    let count = if count.is_empty() { 1.0 } else { count.parse::<f64>().ok()? };
    let bytes = match name {
        "B" => 1.0,
        "kB" => 1024.0,
        "MB" => 1024.0 * 1024.0,
        "GB" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    Some(value * count * bytes)
}

#[cfg(test)]
mod tests {
    use super::in_base_units;

    #[test]
    fn units_become_bytes() {
        assert_eq!(in_base_units("524288", Some("8kB")), Some(4_294_967_296.0));
        assert_eq!(in_base_units("4096", Some("kB")), Some(4_194_304.0));
        assert_eq!(in_base_units("0.0025", None), Some(0.0025));
        assert_eq!(in_base_units("on", None), Some(1.0));
        assert_eq!(in_base_units("5", Some("furlong")), None);
    }
}
