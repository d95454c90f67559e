-- Answers requests one after the other, each for all of its charges or for none.
--
-- KEYS  one key for each charge
-- ARGV  for each charge little-endian doubles: flags (1 sliding, 2 the request goes on with the next charge, 4 change
--       nothing), then for each window its period in ns, what is charged and up to what. Negative charges are refunds.
-- Reply for each charge the time as a double and its state, as below, with its windows in the order asked and a mark:
--       '=' after the charge, '-' as it was and refused, '+' as it was and only asked. In the commonest case, one charge
--       of gcra that is admitted, the reply is the stored text, which has no mark and begins with the time anyway.
--
-- A state of gcra is a list of doubles: the time in microseconds, then for each window its period and the time ahead
-- that is used, in ns, or in 8 ns if the period is above 2^52 ns, so that all of them are whole and exact.
-- A sliding state is, for each window, its period, its newest bucket and a count of buckets, then for each bucket, the
-- oldest first, how much older than the newest it is, and what it counts.
local call, read, pack, values = redis.call, struct.unpack, struct.pack, unpack
local floor, ceil, rep, concat = math.floor, math.ceil, string.rep, table.concat
local LONG = 4503599627370496
local BUCKETS = 64

local time = call('TIME')
local now = time[1] * 1000000 + time[2]

-- The format of so many bytes of doubles. Building it anew for each state would be a fifth of the time.
local formats = {}
local function doubles(bytes)
  local format = formats[bytes]
  if not format then
    format = '<' .. rep('d', bytes / 8)
    formats[bytes] = format
  end
  return format
end

local gcra, sliding = {}, {}

-- The state with the windows in the order asked, and then those that are not asked for and are not yet forgotten.
function gcra.layout(state, asked)
  local new, used = {state[1]}, {}
  for j = 2, #state, 2 do
    used[state[j]] = state[j + 1]
  end
  for i = 2, #asked, 3 do
    local period = asked[i]
    new[#new + 1] = period
    new[#new + 1] = used[period] or 0
    used[period] = 0
  end
  for j = 2, #state, 2 do
    if used[state[j]] > 0 then
      new[#new + 1] = state[j]
      new[#new + 1] = state[j + 1]
    end
  end
  return new
end

function gcra.load(old, asked)
  local state
  if not old then
    state = {now}
    for i = 2, #asked, 3 do
      state[#state + 1] = asked[i]
      state[#state + 1] = 0
    end
    return state
  end
  state = {read(doubles(#old), old)}
  local size = #old / 8
  -- The position after the last that was read.
  state[size + 1] = nil
  local ago = now - state[1]
  -- A clock that was set back gives nothing back until it has caught up.
  if ago > 0 then
    state[1] = now
  else
    ago = 0
  end
  for j = 3, size, 2 do
    local used = state[j] - ago * (state[j - 1] > LONG and 125 or 1000)
    state[j] = used > 0 and used or 0
  end
  local j = 2
  for i = 2, #asked, 3 do
    if state[j] ~= asked[i] then
      return gcra.layout(state, asked)
    end
    j = j + 2
  end
  return state
end

function gcra.admits(state, asked)
  local j = 3
  for i = 3, #asked, 3 do
    if state[j] + asked[i] > asked[i + 1] then
      return false
    end
    j = j + 2
  end
  return true
end

function gcra.add(state, asked)
  local j = 3
  for i = 3, #asked, 3 do
    local used = state[j] + asked[i]
    state[j] = used > 0 and used or 0
    j = j + 2
  end
end

-- In how many milliseconds everything is forgotten.
function gcra.life(state)
  local longest = 0
  for j = 3, #state, 2 do
    local life = state[j] / (state[j - 1] > LONG and 125000 or 1000000)
    if life > longest then
      longest = life
    end
  end
  return ceil(longest)
end

function gcra.write(state)
  return pack(doubles(#state * 8), values(state))
end

gcra.reply = gcra.write

-- The time of a bucket in microseconds, as in sliding.rs.
local function width(period)
  return ceil(period / (1000 * (BUCKETS - 1)))
end

-- A state as a table of windows, each a table of its period, then bucket and count by turns.
function sliding.layout(state, asked)
  local new, known = {}, {}
  for _, window in ipairs(state) do
    known[window[1]] = window
  end
  for i = 2, #asked, 3 do
    local period = asked[i]
    new[#new + 1] = known[period] or {period}
    known[period] = nil
  end
  for _, window in ipairs(state) do
    if known[window[1]] and #window > 1 then
      new[#new + 1] = window
    end
  end
  return new
end

function sliding.load(old, asked)
  local state, at = {}, 1
  while old and at <= #old do
    local period, newest, count
    period, newest, count, at = read('<ddB', old, at)
    local buckets = {read('<' .. rep('BI4', count), old, at)}
    at = at + 5 * count
    local window, oldest = {period}, floor(now / width(period)) - BUCKETS + 1
    for i = 1, 2 * count, 2 do
      local bucket = newest - buckets[i]
      if bucket >= oldest then
        window[#window + 1] = bucket
        window[#window + 1] = buckets[i + 1]
      end
    end
    state[#state + 1] = window
  end
  return sliding.layout(state, asked)
end

function sliding.admits(state, asked)
  local w = 1
  for i = 3, #asked, 3 do
    local used = asked[i]
    local window = state[w]
    for j = 3, #window, 2 do
      used = used + window[j]
    end
    if used > asked[i + 1] then
      return false
    end
    w = w + 1
  end
  return true
end

function sliding.add(state, asked)
  local w = 1
  for i = 3, #asked, 3 do
    local window, cost = state[w], asked[i]
    local size = #window
    if cost > 0 then
      local bucket = floor(now / width(window[1]))
      if size > 1 and window[size - 1] >= bucket then
        window[size] = window[size] + cost
      else
        window[size + 1] = bucket
        window[size + 2] = cost
      end
    elseif cost < 0 then
      -- From the oldest, so that what is left is never forgotten too early.
      local new = {window[1]}
      for j = 2, size, 2 do
        local count = window[j + 1] + cost
        if count > 0 then
          new[#new + 1] = window[j]
          new[#new + 1] = count
          cost = 0
        else
          cost = count
        end
      end
      state[w] = new
    end
    w = w + 1
  end
end

function sliding.life(state)
  local longest = 0
  for _, window in ipairs(state) do
    local size = #window
    if size > 1 then
      local life = (window[size - 1] + BUCKETS) * width(window[1]) - now
      if life > longest then
        longest = life
      end
    end
  end
  return ceil(longest / 1000)
end

function sliding.write(state)
  local parts = {}
  for _, window in ipairs(state) do
    local size = #window
    local count = (size - 1) / 2
    local newest = size > 1 and window[size - 1] or 0
    local list = {window[1], newest, count}
    for j = 2, size, 2 do
      list[#list + 1] = newest - window[j]
      list[#list + 1] = window[j + 1]
    end
    parts[#parts + 1] = pack('<ddB' .. rep('BI4', count), values(list))
  end
  return concat(parts)
end

function sliding.reply(state)
  return pack('<d', now) .. sliding.write(state)
end

local function store(key, state, kind, text)
  local life = kind.life(state)
  if life > 0 then
    call('SET', key, text, 'PX', life)
  else
    call('DEL', key)
  end
end

local replies = {}

local function together(first, last, asked, only)
  local states, admitted = {}, true
  for i = first, last do
    local key, a = KEYS[i], asked[i]
    local kind = a[1] % 2 == 1 and sliding or gcra
    -- A key that comes twice is charged for both.
    local state = states[key]
    state = state and kind.layout(state, a) or kind.load(call('GET', key), a)
    states[key] = state
    if not kind.admits(state, a) then
      admitted = false
      break
    end
    kind.add(state, a)
  end
  for i = first, last do
    local key, a = KEYS[i], asked[i]
    local kind = a[1] % 2 == 1 and sliding or gcra
    if admitted and not only then
      local state = states[key]
      replies[i] = kind.reply(kind.layout(state, a)) .. '='
      if a[3] ~= 0 then
        store(key, state, kind, kind.write(state))
      end
    else
      replies[i] = kind.reply(kind.load(call('GET', key), a)) .. (admitted and '+' or '-')
    end
  end
end

local first, asked = 1, {}
for i = 1, #KEYS do
  local text = ARGV[i]
  local a = {read(doubles(#text), text)}
  -- The position after the last that was read.
  a[#a] = nil
  local flags = a[1]
  if flags == 0 and first == i then
    -- A request of one charge of gcra, the commonest, without the tables of the general case.
    local key = KEYS[i]
    local state = gcra.load(call('GET', key), a)
    if gcra.admits(state, a) then
      gcra.add(state, a)
      local reply = gcra.write(state)
      if a[3] ~= 0 then
        store(key, state, gcra, reply)
      end
      replies[i] = reply
    else
      replies[i] = gcra.write(state) .. '-'
    end
    first = i + 1
  else
    asked[i] = a
    if flags % 4 < 2 then
      together(first, i, asked, flags >= 4)
      first = i + 1
    end
  end
end
return replies
