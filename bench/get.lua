-- wrk script: the same GET again and again, with an API key from the environment (a command line is for everybody
-- to read). WF_BENCH_KEY: the key; or WF_BENCH_LOOKUP: wrong secrets of that key and keys that there are not, by turns.
local key, lookup, threads = os.getenv("WF_BENCH_KEY"), os.getenv("WF_BENCH_LOOKUP"), {}

function setup(thread)
   table.insert(threads, thread)
   thread:set("seed", os.time() * 1000 + #threads)
end

function init()
   math.randomseed(seed)
   answered, bad, first_bad = 0, 0, ""
   if key then wrk.headers["X-API-Key"] = key end
end

local function hex(length)
   local text = {}
   for i = 1, length do text[i] = string.format("%x", math.random(0, 15)) end
   return table.concat(text)
end

function request()
   if lookup then
      local id = math.random(2) == 1 and lookup or hex(16)
      wrk.headers["X-API-Key"] = "wfk_" .. id .. "_" .. hex(64)
   end
   return wrk.format("GET", wrk.path)
end

-- A wrong key is refused as wrong, as one too many, or for now.
function response(status, headers, body)
   local right = lookup and (status == 401 or status == 429 or status == 503) or not lookup and status == 200
   answered = answered + 1
   if not right then
      bad = bad + 1
      if first_bad == "" then first_bad = status .. " " .. body end
   end
end

function done(summary, latency, requests)
   local answered, bad, first_bad, errors = 0, 0, "", summary.errors
   for _, thread in ipairs(threads) do
      answered = answered + thread:get("answered")
      bad = bad + thread:get("bad")
      if first_bad == "" then first_bad = thread:get("first_bad") end
   end
   io.write(string.format(
      "WFBENCH answered=%d bad=%d seconds=%.6f p50=%.3f p90=%.3f p99=%.3f max=%.3f connect=%d read=%d write=%d timeout=%d\n",
      answered, bad, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(90) / 1e3,
      latency:percentile(99) / 1e3, latency.max / 1e3, errors.connect, errors.read, errors.write, errors.timeout))
   if first_bad ~= "" then io.write("WFBENCHBAD " .. first_bad .. "\n") end
end
