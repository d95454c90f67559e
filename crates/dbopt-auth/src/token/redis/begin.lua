-- KEYS: session, subject. ARGV: subject, data, idle and longest in milliseconds. Answers the subject's epoch.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local epoch = redis.call('GET', KEYS[2]) or '0'
local idle, longest = tonumber(ARGV[3]), tonumber(ARGV[4])
redis.call('HSET', KEYS[1], 'subject', ARGV[1], 'data', ARGV[2], 'epoch', epoch, 'number', 0, 'rotated', now,
    'ends', now + longest)
redis.call('PEXPIRE', KEYS[1], math.min(idle, longest))
return epoch
