#include "wft.h"

#include "store/wf_store.h"
#include "tenant/wf_route.h"

#include <ctype.h>
#include <string.h>

APLOG_USE_MODULE(wflows_tenant);

#define ACCOUNT_PREFIX "/account/"
#define ENDPOINT_PREFIX "/flows/endpoint"
/* No file of that name can be, and without an extension mod_mime has nothing to say about it. */
#define OUR_FILENAME "wflows:"
#define OUR_HANDLER "wflows"

/* ---- paths (pure)
 * ------------------------------------------------------------------------------------------- */

/* `path` if it is `prefix`, or `prefix` and a '/' and more: what follows; else NULL. */
static const char *after(const char *path, const char *prefix)
{
    size_t len = strlen(prefix);

    if (strncmp(path, prefix, len) != 0 || (path[len] != '\0' && path[len] != '/')) {
        return NULL;
    }
    return path + len;
}

/* The text up to the next '/', and the rest from there. */
static const char *segment(apr_pool_t *pool, const char **rest, const char *path)
{
    size_t len = strcspn(path, "/");

    *rest = path + len;
    return apr_pstrmemdup(pool, path, len);
}

/* An account as callers may name it: its id, or Meta's phone_number_id. One spelling only, because
 * the name becomes part of a cache key. NULL: neither. */
static const char *account_name(apr_pool_t *pool, const char *name)
{
    char *lower;
    size_t len = strlen(name);

    if (wf_uuid_is(name)) {
        lower = apr_pstrdup(pool, name);
        ap_str_tolower(lower);
        return lower;
    }
    return len >= 1 && len <= 32 && strspn(name, "0123456789") == len ? name : NULL;
}

/* "{flowName}" or "{flowName}@{version}". */
static int parse_flow(apr_pool_t *pool, wfm_request_t *req, const char *text)
{
    const char *at = strchr(text, '@');
    int64_t version = 0;

    if (at && !wf_parse_int(&version, at + 1, 1, INT32_MAX)) {
        return 0;
    }
    req->flow_name = at ? apr_pstrmemdup(pool, text, (apr_size_t)(at - text)) : text;
    req->flow_version = (int)version;
    return wf_flow_name_is(req->flow_name);
}

/* What follows the tenant in a path. */
static void parse_tenant_path(apr_pool_t *pool, wfm_request_t *req, const char *path)
{
    const char *rest;

    req->place = WFM_PLACE_UNKNOWN;
    if (strncmp(path, ACCOUNT_PREFIX, strlen(ACCOUNT_PREFIX)) == 0) {
        const char *name = segment(pool, &path, path + strlen(ACCOUNT_PREFIX));

        req->account = account_name(pool, name);
        if (!req->account) {
            return;
        }
    }
    req->rest = path;
    rest = after(path, ENDPOINT_PREFIX);
    if (rest) {
        if (*rest == '\0' || parse_flow(pool, req, rest + 1)) {
            req->place = WFM_PLACE_ENDPOINT;
        }
    } else if (strcmp(path, "/webhooks/whatsapp") == 0) {
        req->place = WFM_PLACE_WEBHOOK;
    } else if (strcmp(path, "/metrics") == 0 && !req->account) {
        req->place = WFM_PLACE_COMPANY_METRICS;
    } else if (!after(path, "/webhooks") && !after(path, "/flows") && !after(path, "/metrics")) {
        /* Those three are ours, the rest of a tenant's paths is the operator's to use. */
        req->place = WFM_PLACE_GATEWAY;
    }
}

static void parse_path(apr_pool_t *pool, wfm_request_t *req, const char *path)
{
    const char *rest;

    if (strcmp(path, "/health") == 0 || strcmp(path, "/health/live") == 0 ||
        strcmp(path, "/health/ready") == 0) {
        req->place = WFM_PLACE_HEALTH;
    } else if (strcmp(path, "/metrics") == 0) {
        req->place = WFM_PLACE_METRICS;
    } else if (strcmp(path, "/webhooks/stripe") == 0) {
        req->place = WFM_PLACE_STRIPE;
    } else if ((rest = after(path, WF_API_PREFIX)) != NULL &&
               /* Without it the path is whatever the operator has there. */
               ap_find_linked_module("mod_wflows_admin.c")) {
        req->place = WFM_PLACE_API;
        req->rest = rest;
    } else if (strncmp(path, WFT_COMPANY_PREFIX, strlen(WFT_COMPANY_PREFIX)) == 0) {
        const char *slug = segment(pool, &rest, path + strlen(WFT_COMPANY_PREFIX));

        req->place = WFM_PLACE_UNKNOWN;
        if (wf_slug_is(slug)) {
            req->slug = slug;
            parse_tenant_path(pool, req, rest);
        }
    } else if (after(path, "/company") || after(path, "/health") || after(path, "/metrics")) {
        req->place = WFM_PLACE_UNKNOWN;
    }
}

/* ---- other places a tenant may be named in
 * ---------------------------------------------------------------------- */

/* {slug}.{ServerName} */
static const char *slug_of_host(request_rec *r)
{
    const char *host = r->hostname, *dot = host ? strchr(host, '.') : NULL;
    char *slug;

    if (!dot || !r->server->server_hostname ||
        ap_cstr_casecmp(dot + 1, r->server->server_hostname) != 0) {
        return NULL;
    }
    slug = apr_pstrmemdup(r->pool, host, (apr_size_t)(dot - host));
    ap_str_tolower(slug);
    return slug;
}

static void look_elsewhere(request_rec *r, wfm_request_t *req, int from)
{
    const char *slug = NULL;

    if (from & WFT_FROM_HEADER) {
        slug = apr_table_get(r->headers_in, "X-Company-Slug");
    }
    if (!slug && (from & WFT_FROM_SUBDOMAIN)) {
        slug = slug_of_host(r);
    }
    if (!slug) {
        return;
    }
    if (!wf_slug_is(slug)) {
        req->place = WFM_PLACE_UNKNOWN;
        return;
    }
    req->slug = slug;
    parse_tenant_path(r->pool, req, r->uri);
}

/* The account, where the path does not name one: header, then query. */
static void look_for_account(request_rec *r, wfm_request_t *req)
{
    const char *name = apr_table_get(r->headers_in, "X-WhatsApp-Account");

    if (!name) {
        name = wfm_query_value(r, "account");
    }
    if (!name || !*name) {
        return;
    }
    req->account = account_name(r->pool, name);
    if (!req->account) {
        req->place = WFM_PLACE_UNKNOWN;
    }
}

/* ---- hooks
 * ----------------------------------------------------------------------------------------------------------
 */

int wft_resolve(request_rec *r, const wft_dir_conf_t *conf)
{
    wfm_request_t found = {0}, *req;

    parse_path(r->pool, &found, r->uri);
    if (found.place == WFM_PLACE_NONE && conf->from > 0) {
        look_elsewhere(r, &found, conf->from);
    }
    if (found.place == WFM_PLACE_NONE) {
        return 0;
    }
    if (found.slug && !found.account && found.place != WFM_PLACE_UNKNOWN) {
        look_for_account(r, &found);
    }
    req = wft_request_make(r);
    req->place = found.place;
    req->slug = found.slug;
    req->account = found.account;
    req->rest = found.rest;
    req->flow_name = found.flow_name;
    req->flow_version = found.flow_version;
    wft_request_export(r, req);
    return 1;
}

int wft_translate_name(request_rec *r)
{
    const wft_dir_conf_t *conf = ap_get_module_config(r->per_dir_config, &wflows_tenant_module);
    const wfm_request_t *req;

    if (r->prev) {
        wft_tell_refusal(r->prev); /* a page of ErrorDocument takes the place of httpd's own */
    }
    if (conf->enabled != 1 || !r->uri || r->uri[0] != '/' || r->proxyreq == PROXYREQ_PROXY ||
        !wft_resolve(r, conf)) {
        return DECLINED;
    }
    req = wft_request(r);
    if (req->place == WFM_PLACE_GATEWAY || r->proxyreq) {
        return DECLINED; /* the tenant is known; aliases, proxies and files go on as configured */
    }
    r->filename = OUR_FILENAME;
    r->handler = OUR_HANDLER;
    return OK;
}

int wft_is_ours(const request_rec *r)
{
    return r->filename && strcmp(r->filename, OUR_FILENAME) == 0 && wft_request(r);
}

/* Location config is not visible here: what translate_name left is (STYLE.md 3.5). Without this the
 * URL would be looked up in the file system. */
int wft_map_to_storage(request_rec *r)
{
    return wft_is_ours(r) ? OK : DECLINED;
}
