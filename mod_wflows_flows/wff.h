/* mod_wflows_flows: the encrypted flow endpoint and WhatsApp's webhooks. */
#ifndef WFF_H
#define WFF_H

#include "httpd/wfm.h"

#include <http_protocol.h>

extern module AP_MODULE_DECLARE_DATA wflows_flows_module;

/* ---- configuration (wff_config.c)
 * ------------------------------------------------------------------------ */

#define WFF_UNSET (-1)

/* type, name, value where nothing was said */
#define WFF_DIR_MEMBERS(M)          \
    M(int64_t, body_max, WFF_UNSET) \
    M(apr_interval_time_t, timeout, WFF_UNSET)

/* Of the main server only: they become part of the one runtime. */
#define WFF_SERVER_MEMBERS(M)                        \
    M(apr_interval_time_t, repeat_window, WFF_UNSET) \
    M(apr_array_header_t *, callback_allow, NULL)    \
    M(int64_t, outbox_workers, WFF_UNSET)            \
    M(apr_interval_time_t, billing_grace, WFF_UNSET) \
    M(apr_array_header_t *, stripe_secrets, NULL)    \
    M(const char *, media_dir, NULL)                 \
    M(apr_array_header_t *, media_hosts, NULL)       \
    M(const char *, graph_url, NULL)

/* An element of stripe_secrets. */
typedef struct {
    const char *source;
    const char *at; /* "file:line" */
} wff_stripe_secret_t;

#define WFF_DECLARE(type, name, unset) type name;
typedef struct {
    WFF_DIR_MEMBERS(WFF_DECLARE)
} wff_dir_conf_t;

typedef struct {
    WFF_SERVER_MEMBERS(WFF_DECLARE)
} wff_server_conf_t;
#undef WFF_DECLARE

extern const command_rec wff_commands[];
void *wff_dir_conf_create(apr_pool_t *pool, char *dir);
void *wff_dir_conf_merge(apr_pool_t *pool, void *base, void *add);
void *wff_server_conf_create(apr_pool_t *pool, server_rec *s);
void *wff_server_conf_merge(apr_pool_t *pool, void *base, void *add);

/* What the operator said, or the default. */
size_t wff_body_max(const request_rec *r);
apr_interval_time_t wff_timeout(const request_rec *r);
int wff_outbox_workers(server_rec *s);
/* 1 if files are fetched here. */
int wff_media_fetchers(server_rec *s);

/* ---- mod_wflows_tenant, which this module cannot do without (wff_tenant.c)
 * ------------------------------------ */

int wff_check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s);
int wff_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s);
/* NULL: it could not be made; 503. */
const wf_runtime_t *wff_runtime(void);
/* NULL: not a request of wflows'. */
const wfm_request_t *wff_request(request_rec *r);

/* ---- which of our routes (wff_handler.c)
 * -------------------------------------------------------------------------- */

int wff_handler(request_rec *r);

/* ---- the endpoint (wff_endpoint.c)
 * -------------------------------------------------------------------------------- */

int wff_endpoint(request_rec *r, const wfm_request_t *req);

/* ---- billing (wff_stripe.c)
 * --------------------------------------------------------------------------------------- */

/* Reads the secrets into `conf`; with `try_only` those that can be had without running a program are tried
 * and nothing is kept. OK, or !OK and it has been said why. */
int wff_stripe_secrets_load(apr_pool_t *pool, wf_conf_t *conf, const wff_server_conf_t *own,
                            int try_only);
int wff_stripe(request_rec *r, const wfm_request_t *req);
/* ---- WhatsApp's webhooks (wff_webhook.c)
 * ---------------------------------------------------------------------------- */

int wff_webhook(request_rec *r, const wfm_request_t *req);

/* ---- files that users send (wff_media.c)
 * ----------------------------------------------------------------------- */

/* check_config: OK, or !OK and it has been said why. */
int wff_media_check(apr_pool_t *pool, const wff_server_conf_t *own);
void wff_media_apply(apr_pool_t *pool, wf_conf_t *conf, const wff_server_conf_t *own);

/* ---- background work (wff_watchdog.c)
 * -------------------------------------------------------------------------- */

/* check_config: OK, or says that mod_watchdog is missing. */
int wff_watchdog_check(server_rec *s);
/* Registers the workers with mod_watchdog. */
int wff_watchdog_post_config(apr_pool_t *pconf, server_rec *s);
void wff_watchdog_child_init(apr_pool_t *pchild, server_rec *s);

#endif
