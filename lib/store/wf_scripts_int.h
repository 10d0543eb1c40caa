/* Inside lib/store: what the server-side scripts share. */
#ifndef WF_SCRIPTS_INT_H
#define WF_SCRIPTS_INT_H

#include "redis/wf_redis.h"

/* GCRA on one key. `wait` > 0 (microseconds): refused. `left`: what may still come at once. `charge`
 * books it. Times are Redis's own, so that servers with different clocks agree. */
#define WF_LUA_GCRA                                                                                \
    "local t = redis.call('TIME')\n"                                                               \
    "local now = t[1] * 1000000 + t[2]\n"                                                          \
    "local function gcra(scope, key, max, win)\n"                                                  \
    "  max, win = tonumber(max), tonumber(win) * 1000\n"                                           \
    "  local each = win / max\n"                                                                   \
    "  local tat = math.max(tonumber(redis.call('GET', key) or 0), now) + each\n"                  \
    "  local ahead = tat - now\n"                                                                  \
    "  return {scope = scope, key = key, max = max, win = win / 1000, tat = tat, reset = ahead,\n" \
    "          wait = ahead - win, left = math.floor((win - ahead) / each)}\n"                     \
    "end\n"                                                                                        \
    "local function charge(l)\n"                                                                   \
    "  redis.call('SET', l.key, string.format('%.0f', l.tat), 'PX', math.ceil(l.reset / 1000) + 1)\n" \
    "end\n"

typedef struct wf_store_scripts_t {
    wf_redis_script_t admit, platform, save_context; /* wf_admit_store.c */
    wf_redis_script_t exchange, save_plan;           /* wf_exchange_store.c */
} wf_store_scripts_t;

extern const char wf_exchange_lua[];
extern const char wf_save_plan_lua[];

#endif
