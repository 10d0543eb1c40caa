/* mod_wflows_tenant: owner of the runtime, of tenant resolution and of admission. */
#ifndef WFT_H
#define WFT_H

#include "httpd/wfm.h"

#include <http_protocol.h>

extern module AP_MODULE_DECLARE_DATA wflows_tenant_module;

/* ---- configuration (wft_config.c)
 * ----------------------------------------------------------------------------- */

/* Where the tenant's slug is looked for after the path, a bit each. */
#define WFT_FROM_HEADER 1
#define WFT_FROM_SUBDOMAIN 2
#define WFT_UNSET (-1)

typedef struct {
    const char *id, *source, *at;
} wft_key_t;

/* The directives that only the main server has: one set a process. */
typedef struct {
    wf_conf_t conf;
    const char *db_source, *db_at;
    const char *redis_source, *redis_at;
    apr_array_header_t *keys; /* of wft_key_t, the first is the primary */
    apr_array_header_t *jwt_keys; /* of wft_key_t, the first one signs */
    const char *jwks_at;
    const char *roles_variable, *tenant_variable; /* of WflowsAuthTrustRemoteUser */
    /* made in post_config, inherited by the children */
    wf_keyring_t *ring;
} wft_global_t;

/* type, name, value where nothing was said */
#define WFT_SERVER_MEMBERS(M)       \
    M(wft_global_t *, global, NULL) \
    M(const char *, used_at, NULL) /* where WflowsTenant On stands first; "": turned off as a whole */

#define WFT_DIR_MEMBERS(M)     \
    M(int, enabled, WFT_UNSET) \
    M(int, from, WFT_UNSET)

#define WFT_DECLARE(type, name, unset) type name;
typedef struct {
    WFT_SERVER_MEMBERS(WFT_DECLARE)
} wft_server_conf_t;

typedef struct {
    WFT_DIR_MEMBERS(WFT_DECLARE)
} wft_dir_conf_t;
#undef WFT_DECLARE

/* 1 if tenants are turned on somewhere in this server. */
static inline int wft_is_used(const wft_server_conf_t *sconf)
{
    return sconf->used_at && *sconf->used_at;
}

extern const command_rec wft_commands[];
void *wft_server_conf_create(apr_pool_t *pool, server_rec *s);
void *wft_server_conf_merge(apr_pool_t *pool, void *base, void *add);
void *wft_dir_conf_create(apr_pool_t *pool, char *dir);
void *wft_dir_conf_merge(apr_pool_t *pool, void *base, void *add);

/* The one set of the process; `s` is the main server. */
wft_global_t *wft_global(server_rec *s);
/* The same in a child; NULL: wflows is not used. */
const wft_global_t *wft_global_now(void);
/* The first place where a server of the process turns tenants on; NULL: nowhere. */
const char *wft_used_at(server_rec *s);
int wft_check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s);

/* ---- secrets (wft_secrets.c)
 * -------------------------------------------------------------------------------------- */

/* Reads connection strings and keys into `global`. With `try_only`, programs are not run and
 * nothing is kept: what `httpd -t` can know. OK, or !OK after a message that names the directive
 * and its line. */
int wft_secrets_load(apr_pool_t *pool, wft_global_t *global, int try_only);

/* ---- the process (wft_runtime.c)
 * ---------------------------------------------------------------------------------- */

int wft_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s);
void wft_child_init(apr_pool_t *pchild, server_rec *s);
void wft_runtime_register(void);
/* NULL: could not be made now. */
wf_runtime_t *wft_runtime(void);
/* The same without trying to make it. */
wf_runtime_t *wft_runtime_now(void);

/* ---- a request (wft_request.c, wft_resolve.c, wft_access.c)
 * ---------------------------------------------------------- */

#define WFT_COMPANY_PREFIX "/company/"

int wft_post_read_request(request_rec *r);
int wft_translate_name(request_rec *r);
int wft_map_to_storage(request_rec *r);
/* 1 if translate_name claimed it, so that no file, script or proxy can answer it. */
int wft_is_ours(const request_rec *r);
int wft_check_access(request_rec *r);

/* Made on first use; the id of the main request is that of its subrequests and internal redirects.
 */
wfm_request_t *wft_request_make(request_rec *r);
/* NULL: not looked at. */
wfm_request_t *wft_request(const request_rec *r);
/* Of the request that this subrequest or internal redirect came out of; NULL. */
const wfm_request_t *wft_request_origin(const request_rec *r);
/* Request id and traceparent on the reply, to the backend and into the environment. */
void wft_request_export(request_rec *r, const wfm_request_t *req);

/* Attaches a record to a request that is on a route of ours; 0: it is not, and nothing was touched.
 */
int wft_resolve(request_rec *r, const wft_dir_conf_t *conf);

/* ---- who calls (wft_authn.c)
 * -------------------------------------------------------------------------------------- */

#define WFT_SAY_WHO "Say who you are: an API key or a token that is valid."
#define WFT_SAY_TENANT "You belong to several companies: name one with the header X-Tenant."

/* Found out at the first call. */
const wfm_identity_t *wft_identity(request_rec *r);
int wft_check_authn(request_rec *r);
int wft_note_auth_failure(request_rec *r, const char *auth_type);
void wft_authz_register(apr_pool_t *pool);
/* Where a Require line of ours did not let the caller in and the request is refused: its audit row, once. */
void wft_tell_refusal(request_rec *r);

/* ---- health and metrics (wft_health.c, wft_metrics.c, wft_children.c)
 * ------------------------------------------------- */

/* What SetHandler calls them. */
#define WFT_HEALTH_HANDLER "wflows-health"
#define WFT_METRICS_HANDLER "wflows-metrics"

/* Health, metrics, and 404 for what no other module of ours has answered. */
int wft_handler(request_rec *r);
int wft_health_reply(request_rec *r, const wfm_request_t *req);
int wft_metrics_reply(request_rec *r, const wfm_request_t *req);
/* The tenant's own, for its people and for keys with read:metrics. */
int wft_company_metrics_reply(request_rec *r, const wfm_request_t *req);

/* Shared memory for all children; survives graceful restarts. */
int wft_metrics_open(server_rec *s);
wf_metrics_t *wft_metrics(void);

/* The figures of each child's pools, in shared memory beside the counters: gauges are added up over
 * the living, counters over the dead too. */
typedef struct wft_children_t wft_children_t;
size_t wft_children_size(int slots);
void wft_children_init(wft_children_t *children, int slots);
/* This child's slot; given back with `pchild`. */
void wft_child_slot_take(apr_pool_t *pchild, wft_children_t *children);
void wft_child_slot_update(const wf_runtime_t *runtime);
void wft_children_format(wf_buf_t *out, wft_children_t *children);
wft_children_t *wft_metrics_children(void);
/* The figures that server-status shows. */
typedef enum { WFT_PG_OPEN, WFT_PG_BREAKERS, WFT_REDIS_OPEN, WFT_REDIS_BREAKERS } wft_figure_t;
uint64_t wft_children_sum(wft_figure_t figure);
int wft_log_transaction(request_rec *r);
int wft_status_hook(request_rec *r, int flags);

#endif
