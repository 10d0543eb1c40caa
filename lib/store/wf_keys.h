/* The only Redis key names (DESIGN.md section 5). {slug} is a hash tag: all of a company's keys share a
 * Cluster slot, so that one script may touch them all. Format arguments: prefix, slug, rest. */
#ifndef WF_KEYS_H
#define WF_KEYS_H

/* Hash: st (status of company/account, "none" if unknown), rec (record text), lim (see wf_admit_store.c). */
#define WF_KEY_CTX "%s{%s}:ctx:%s" /* "default" or the account as named */
/* Set of the ctx keys that exist (whole names; unknown accounts excepted), so that forgetting a company
 * needs no SCAN. */
#define WF_KEY_CTX_INDEX "%s{%s}:ctx-index"
/* Counter raised by every change of the company's records: a value loaded before it is not cached. */
#define WF_KEY_GENERATION "%s{%s}:gen"
/* Hash: active -> version; <version> -> "<flow id>\n<plan>"; a flow that is not there: none -> 1. */
#define WF_KEY_FLOW "%s{%s}:flow:%s"
/* "<flow name>@<version>\n<session record>" */
#define WF_KEY_SESSION "%s{%s}:session:%s"
#define WF_KEY_RATE_COMPANY "%s{%s}:rl:company"
#define WF_KEY_RATE_ACCOUNT "%s{%s}:rl:account:%s"
#define WF_KEY_RATE_PLATFORM "%srl:platform"
/* Hash: n (counted here), base (what PostgreSQL had when this key was made). */
#define WF_KEY_USE "%s{%s}:use:%s" /* month: 2026-11 */

#define WF_TTL_CTX_S 300
#define WF_TTL_FLOW_S 300
#define WF_TTL_NEGATIVE_S 5
#define WF_TTL_SESSION_MAX_S 3600
#define WF_TTL_USE_S (45 * 86400)
/* Longer than any load from PostgreSQL can take. */
#define WF_TTL_GENERATION_S 86400

#endif
