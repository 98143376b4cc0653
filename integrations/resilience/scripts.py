"""The Lua of admission: circuit and buckets move in one atomic step, on Redis' own clock.

Keys: 1 the circuit, 2 its permits, 3.. buckets. Every script starts with the same nine arguments: seconds to shift the
clock by (tests), failure threshold, volume threshold, window, successes to close, seconds open, permits, permit lease,
failure ratio.
The circuit's window is a ring of ten slices: `n<i>` numbers the slice, `c<i>` counts its calls, `f<i>` its failures.
`twin.py` does the same in Python.
"""

_CIRCUIT = """
local t = redis.call('TIME')
local now = t[1] + t[2] / 1e6 + tonumber(ARGV[1])
local threshold, volume, window = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local to_close, open_s, most, lease = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local ratio = tonumber(ARGV[9])
local circuit, permits = KEYS[1], KEYS[2]
local slice = math.floor(now * 10 / window)
local was = redis.call('HGET', circuit, 'state') or 'CLOSED'
local state = was

local function turn(to)
  state = to
  if to == 'CLOSED' then
    redis.call('HDEL', circuit, 'since', 'forced')
    for i = 0, 9 do redis.call('HDEL', circuit, 'n' .. i) end
  end
  if to == 'OPEN' then redis.call('HSET', circuit, 'since', tostring(now)) end
  if to ~= 'OPEN' then redis.call('HSET', circuit, 'successes', 0) end
  redis.call('HSET', circuit, 'state', to)
  redis.call('DEL', permits)
end

local function count(calls, failures)
  local i = slice % 10
  if redis.call('HGET', circuit, 'n' .. i) ~= tostring(slice) then
    redis.call('HSET', circuit, 'n' .. i, slice, 'c' .. i, 0, 'f' .. i, 0)
  end
  redis.call('HINCRBY', circuit, 'c' .. i, calls)
  redis.call('HINCRBY', circuit, 'f' .. i, failures)
end

local function total()
  local calls, failures = 0, 0
  for i = 0, 9 do
    local row = redis.call('HMGET', circuit, 'n' .. i, 'c' .. i, 'f' .. i)
    if row[1] and tonumber(row[1]) > slice - 10 then
      calls, failures = calls + tonumber(row[2]), failures + tonumber(row[3])
    end
  end
  return calls, failures
end

local function succeed(n)
  if n == 0 then return end
  if state == 'CLOSED' then count(n, 0) end
  redis.call('HSET', circuit, 'ok_at', tostring(now))
end

local function keep() redis.call('EXPIRE', circuit, 86400) end
"""

# Arguments: 10 permit id, 11 successes to note, 12 tokens wanted (0: only look), then five a bucket: capacity, tokens a
# second, block, tokens to leave, longest wait that may be reserved (negative: none).
# Answers: was, state, milliseconds until the circuit lets in (-1: it lets in), milliseconds to wait for a token,
# tokens granted, 1 when the permit was taken.
ADMIT = (
    _CIRCUIT
    + """
local id, wanted = ARGV[10], tonumber(ARGV[12])
succeed(tonumber(ARGV[11]))
if state == 'OPEN' then
  local row = redis.call('HMGET', circuit, 'since', 'forced')
  local left = (tonumber(row[1]) or 0) + open_s - now
  if row[2] then return {was, state, math.ceil(open_s * 1000), 0, 0, 0} end
  if left > 0 then keep() return {was, state, math.ceil(left * 1000), 0, 0, 0} end
  turn('HALF_OPEN')
end
if state == 'HALF_OPEN' then
  redis.call('ZREMRANGEBYSCORE', permits, '-inf', tostring(now))
  local mine = redis.call('ZSCORE', permits, id)
  if not mine and (wanted == 0 or redis.call('ZCARD', permits) >= most) then
    keep()
    return {was, state, 1000, 0, 0, 0}
  end
end

local found, wait, may_reserve, grant = {}, 0, true, 1000000
for k = 3, #KEYS do
  local a = 13 + (k - 3) * 5
  local capacity, per_s, block = tonumber(ARGV[a]), tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2])
  local leave, reserve = tonumber(ARGV[a + 3]), tonumber(ARGV[a + 4])
  local row = redis.call('HMGET', KEYS[k], 'tokens', 'at', 'paused')
  local tokens, at, paused = tonumber(row[1]) or capacity, tonumber(row[2]) or now, tonumber(row[3]) or 0
  if now > at then tokens, at = math.min(capacity, tokens + (now - at) * per_s), now end
  local own = 0
  if paused > now then own = paused - now end
  if wanted > 0 and tokens - wanted < leave then
    own = math.max(own, at - now + (wanted + leave - tokens) / per_s)
  end
  if own > reserve then may_reserve = false end
  wait = math.max(wait, own)
  grant = math.min(grant, block, math.floor(tokens - leave))
  found[k] = {tokens, at, paused, capacity / per_s}
end
local take = 0
if wanted > 0 and (wait == 0 or may_reserve) then
  take = wanted
  if wait == 0 and state == 'CLOSED' then take = math.max(wanted, grant) end
end
for k = 3, #KEYS do
  local b = found[k]
  if take > 0 then
    redis.call('HSET', KEYS[k], 'tokens', tostring(b[1] - take), 'at', tostring(b[2]), 'paused', tostring(b[3]))
    redis.call('EXPIRE', KEYS[k], math.ceil(b[4] * 2 + math.max(0, b[3] - now)) + 60)
  end
end
local permitted = 0
if state == 'HALF_OPEN' and take > 0 then
  redis.call('ZADD', permits, tostring(now + lease), id)
  redis.call('EXPIRE', permits, math.ceil(lease) + 60)
  permitted = 1
end
if state ~= 'CLOSED' or was ~= 'CLOSED' or tonumber(ARGV[11]) > 0 then keep() end
return {was, state, -1, math.ceil(wait * 1000), take, permitted}
"""
)

# Arguments: 10 permit id or '', 11 successes to note, 12 'success', 'failure' or 'ignore', 13 the failure's code.
# Answers: was, state.
REPORT = (
    _CIRCUIT
    + """
local id, outcome = ARGV[10], ARGV[12]
succeed(tonumber(ARGV[11]))
if outcome == 'failure' then redis.call('HSET', circuit, 'failed_at', tostring(now), 'failed_code', ARGV[13]) end
local held = false
if id ~= '' then
  local ends = redis.call('ZSCORE', permits, id)
  held = ends and tonumber(ends) > now
  redis.call('ZREM', permits, id)
end
if state == 'CLOSED' then
  if outcome == 'success' then succeed(1) end
  if outcome == 'failure' then
    count(1, 1)
    local calls, failures = total()
    if calls >= volume and failures >= math.max(threshold, ratio * calls) then turn('OPEN') end
  end
elseif state == 'HALF_OPEN' and held then
  if outcome == 'failure' then turn('OPEN') end
  if outcome == 'success' and redis.call('HINCRBY', circuit, 'successes', 1) >= to_close then
    turn('CLOSED')
  end
  if outcome == 'success' then redis.call('HSET', circuit, 'ok_at', tostring(now)) end
end
keep()
return {was, state}
"""
)

# Arguments: 10 the reason, or '' to close and forget. Answers: was, state, 1 when that is news.
FORCE = (
    _CIRCUIT
    + """
local forced = redis.call('HGET', circuit, 'forced')
local changed = 0
if ARGV[10] == '' and was ~= 'CLOSED' then
  turn('CLOSED')
  changed = 1
elseif ARGV[10] ~= '' and not forced then
  turn('OPEN')
  redis.call('HSET', circuit, 'forced', ARGV[10])
  changed = 1
end
keep()
return {was, state, changed}
"""
)

# Key: a bucket. Arguments: seconds to shift the clock by, seconds to pause, capacity, tokens a second.
# While it lasts nothing is refilled: afterwards calls start one by one, not all at once. Answers 1 when it is news.
PAUSE = """
local t = redis.call('TIME')
local now = t[1] + t[2] / 1e6 + tonumber(ARGV[1])
local before = tonumber(redis.call('HGET', KEYS[1], 'paused')) or 0
local paused = math.max(before, now + tonumber(ARGV[2]))
redis.call('HSET', KEYS[1], 'tokens', '0', 'at', tostring(paused), 'paused', tostring(paused))
redis.call('EXPIRE', KEYS[1], math.ceil(paused - now + tonumber(ARGV[3]) / tonumber(ARGV[4])) + 60)
return before > now and 0 or 1
"""

# Keys: the circuit, then buckets. Answers the clock, the circuit's fields and those of each bucket; changes nothing.
LOOK = """
local t = redis.call('TIME')
local answer = {tostring(t[1] + t[2] / 1e6 + tonumber(ARGV[1])), redis.call('HGETALL', KEYS[1])}
for k = 2, #KEYS do answer[k + 1] = redis.call('HMGET', KEYS[k], 'tokens', 'at', 'paused') end
return answer
"""
