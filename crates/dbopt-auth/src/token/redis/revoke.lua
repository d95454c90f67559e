-- KEYS: subject. ARGV: how long it is remembered, in milliseconds. Answers the new epoch.
local time = redis.call('TIME')
local epoch = time[1] * 1000000 + time[2]
local before = tonumber(redis.call('GET', KEYS[1]) or '0')
epoch = string.format('%.0f', math.max(epoch, before + 1))
local keep = math.max(tonumber(ARGV[1]), redis.call('PTTL', KEYS[1]))
redis.call('SET', KEYS[1], epoch, 'PX', keep)
return epoch
