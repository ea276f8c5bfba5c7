//! Rate limits and quotas counted by the external cache, for all nodes together.
//!
//! The server runs one script a call, one after the other and by its own clock: counters are exact over all
//! nodes. As on one node, a sliding window above [`EXACT_CALLS`] calls counts in steps and lets calls leave up
//! to `period / EXACT_CALLS` late, never early. While the server is away each node counts for itself, from what
//! it let through before: N nodes then let at most N times the limit through.

use std::{rc::Rc, time::Duration};

use gateway_policy::effect::{Count, Counted, Window};
use redis::{RedisError, Script};

use super::{Connection, Down, External, name};
use crate::{counters::EXACT_CALLS, worker::Worker};

/// Numbers a script handles exactly (2^53).
const NUMBER_MAX: u64 = 1 << 53;

/// `KEYS[1]`: a list: the sum, then `moment:calls`, oldest first, in microseconds.
/// `ARGV`: limit, period, increment, step, 1 to add whatever the limit says.
const SLIDING: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local limit, period, by, step = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local total = tonumber(redis.call('LPOP', KEYS[1]) or '0')
local function entry(at)
  local text = redis.call('LINDEX', KEYS[1], at)
  if not text then return nil end
  local split = string.find(text, ':', 1, true)
  return tonumber(string.sub(text, 1, split - 1)), tonumber(string.sub(text, split + 1))
end
local at, calls = entry(0)
while at and now - at >= period do
  total = total - calls
  redis.call('LPOP', KEYS[1])
  at, calls = entry(0)
end
local allowed = ARGV[5] == '1' or total + math.max(by, 1) <= limit
local wait = 0
if allowed and by > 0 then
  total = total + by
  local last, before = entry(-1)
  if last and now <= last then
    redis.call('LSET', KEYS[1], -1, string.format('%.0f:%.0f', last, before + by))
  else
    redis.call('RPUSH', KEYS[1], string.format('%.0f:%.0f', now + step, by))
  end
elseif not allowed then
  wait = period
  local left, index = total, 0
  while at do
    left = left - calls
    if left + math.max(by, 1) <= limit then
      wait = math.max(at + period - now, 0)
      break
    end
    index = index + 1
    at, calls = entry(index)
  end
end
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('LPUSH', KEYS[1], string.format('%.0f', total))
  redis.call('PEXPIRE', KEYS[1], math.ceil((period + step) / 1000) + 1)
end
return {allowed and 1 or 0, math.max(limit - total, 0), wait}
";

/// `KEYS[1]`: a hash: the number of the period and the calls in it. `ARGV`: limit, period, increment, start of the
/// first period, 1 to add whatever the limit says; times in microseconds.
const FIXED: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local limit, period, by, start = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local number = math.floor((now - start) / period)
local left = math.max(start + (number + 1) * period - now, 1)
local kept = redis.call('HMGET', KEYS[1], 'period', 'calls')
local total = 0
if kept[1] == string.format('%.0f', number) then total = tonumber(kept[2]) end
local allowed = ARGV[5] == '1' or total + math.max(by, 1) <= limit
if allowed and by > 0 then
  total = total + by
  redis.call('HSET', KEYS[1], 'period', string.format('%.0f', number), 'calls', string.format('%.0f', total))
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil(left / 1000)))
end
return {allowed and 1 or 0, math.max(limit - total, 0), allowed and 0 or left}
";

/// The two scripts, hashed once.
#[derive(Debug)]
pub(crate) struct Scripts {
    sliding: Script,
    fixed: Script,
}

impl Default for Scripts {
    fn default() -> Self {
        Self {
            sliding: Script::new(SLIDING),
            fixed: Script::new(FIXED),
        }
    }
}

/// Counts a call where all nodes count, or on this node when that is not to be had.
pub(crate) async fn count(worker: &Worker, count: &Count, charge: bool) -> Counted {
    let node = &worker.node;
    let alone = || match charge {
        true => node.counters.charge(count),
        false => node.counters.count(count),
    };
    let effects = &node.metrics.effects;
    let Some(external) = worker.external().filter(|external| external.config.counts) else {
        effects.counts_node.inc();
        return alone();
    };
    match external.count(count, charge).await {
        Ok(counted) => {
            effects.counts_external.inc();
            if counted.allowed && count.increment > 0 {
                // What this node let through counts here as well, should the server go away.
                node.counters.charge(count);
            }
            counted
        }
        Err(Down(reason)) => {
            effects.counts_node.inc();
            tracing::debug!("a call is counted on this node alone: {reason}");
            alone()
        }
    }
}

impl External {
    pub(super) async fn count(self: &Rc<Self>, count: &Count, charge: bool) -> Result<Counted, Down> {
        let microseconds = |time: Duration| {
            u64::try_from(time.as_micros())
                .unwrap_or(NUMBER_MAX)
                .min(NUMBER_MAX)
        };
        let period = microseconds(count.period).max(1);
        let limit = count.limit.min(NUMBER_MAX);
        let (script, kind, third) = match count.window {
            Window::Sliding => {
                let step = match count.limit > EXACT_CALLS as u64 {
                    true => period / EXACT_CALLS as u64,
                    false => 0,
                };
                (&self.scripts.sliding, "s:", step.to_string())
            }
            Window::Fixed { first_period_start } => (
                &self.scripts.fixed,
                "f:",
                first_period_start.saturating_mul(1_000_000).to_string(),
            ),
        };
        let mut call = script.prepare_invoke();
        call.key(name(kind, &count.key))
            .arg(limit)
            .arg(period)
            .arg(count.increment.min(NUMBER_MAX))
            .arg(third)
            .arg(u8::from(charge));
        let asked = async |connection: &mut Connection| -> Result<(u8, u64, u64), RedisError> {
            call.invoke_async(connection).await
        };
        let (allowed, remaining, wait) = self.with(asked).await?;
        Ok(Counted {
            allowed: allowed == 1,
            remaining,
            retry_after: Duration::from_micros(wait),
        })
    }
}
