#include "wft.h"

#include "service/wf_auth.h"

#include <http_core.h>
#include <http_request.h>
#include <mod_auth.h>

#include <string.h>

APLOG_USE_MODULE(wflows_tenant);

#define AUTH_TYPE "Wflows"
/* Longest time that finding out who calls may take. */
#define IDENTIFY_TIMEOUT apr_time_from_sec(5)
#define SUBJECT_VARIABLE "WFLOWS_SUBJECT"
#define ROLES_VARIABLE "WFLOWS_ROLES"
#define REFUSED_NOTE "wflows-refused"

/* ---- who calls, found out once for each request ----------------------------------------------------------- */

/* By the word of a module that httpd has asked before us. */
static void trust_server(wf_credentials_t *c, request_rec *r)
{
    const wft_global_t *global = wft_global_now();

    if (!global || !global->conf.service.auth.trust_remote_user || !r->user ||
        (r->ap_auth_type && ap_cstr_casecmp(r->ap_auth_type, AUTH_TYPE) == 0)) {
        return;
    }
    c->remote_user = r->user;
    c->remote_roles = apr_table_get(r->subprocess_env, global->roles_variable);
    c->remote_tenant = apr_table_get(r->subprocess_env, global->tenant_variable);
}

static wfm_identity_verdict_t verdict_of(wf_auth_verdict_t verdict)
{
    switch (verdict) {
    case WF_AUTH_OK:
        return WFM_IDENTITY_OK;
    case WF_AUTH_NONE:
        return WFM_IDENTITY_NONE;
    case WF_AUTH_BAD:
        return WFM_IDENTITY_BAD;
    case WF_AUTH_AMBIGUOUS:
        return WFM_IDENTITY_AMBIGUOUS;
    case WF_AUTH_ELSEWHERE:
        return WFM_IDENTITY_ELSEWHERE;
    case WF_AUTH_LIMITED:
        return WFM_IDENTITY_LIMITED;
    case WF_AUTH_UNAVAILABLE:
        break;
    }
    return WFM_IDENTITY_UNAVAILABLE;
}

static void identify(request_rec *r, wfm_identity_t *out, const wfm_request_t *req)
{
    wf_credentials_t credentials = {
        .authorization = apr_table_get(r->headers_in, "Authorization"),
        .api_key = apr_table_get(r->headers_in, "X-API-Key"),
        .tenant = apr_table_get(r->headers_in, "X-Tenant"),
        .address = r->useragent_ip,
        .user_agent = apr_table_get(r->headers_in, "User-Agent"),
    };
    wf_runtime_t *runtime = wft_runtime();
    wf_ctx_t *ctx;
    wf_auth_t auth;

    out->verdict = WFM_IDENTITY_UNAVAILABLE;
    if (!runtime) {
        return;
    }
    trust_server(&credentials, r);
    ctx = wfm_ctx_make(r, req->request_id);
    ctx->deadline = apr_time_now() + IDENTIFY_TIMEOUT;
    wf_auth_identify(ctx, &auth, &runtime->service, &credentials);
    out->verdict = verdict_of(auth.verdict);
    out->who = auth.who;
    out->limit = auth.limit;
}

static const char *roles_of(const wf_identity_t *who)
{
    return who->role == WF_ROLE_NONE ? "" : wf_role_name(who->role);
}

static void export_identity(request_rec *r, const wf_identity_t *who)
{
    apr_table_setn(r->subprocess_env, SUBJECT_VARIABLE, who->subject);
    apr_table_setn(r->subprocess_env, ROLES_VARIABLE, roles_of(who));
    if (who->company_id && !apr_table_get(r->subprocess_env, "WFLOWS_COMPANY_ID")) {
        apr_table_setn(r->subprocess_env, "WFLOWS_COMPANY_ID", who->company_id);
        if (who->company_slug) {
            apr_table_setn(r->subprocess_env, "WFLOWS_COMPANY", who->company_slug);
        }
    }
}

const wfm_identity_t *wft_identity(request_rec *r)
{
    wfm_request_t *req = wft_request_make(r);
    const wfm_request_t *from = wft_request_origin(r);
    wfm_identity_t *identity;

    if (req->identity) {
        return req->identity;
    }
    if (from && from->identity) {
        req->identity = from->identity; /* the same headers, and nothing is charged twice */
    } else {
        identity = apr_pcalloc(r->pool, sizeof(*identity));
        identify(r, identity, req);
        req->identity = identity;
    }
    if (req->identity->verdict == WFM_IDENTITY_OK) {
        export_identity(r, req->identity->who);
    }
    return req->identity;
}

/* ---- AuthType Wflows ------------------------------------------------------------------------------------------ */

static int refuse(request_rec *r, const wfm_identity_t *identity, wfm_problem_t problem,
                  const char *detail)
{
    wfm_refusal_t refusal = {.problem = problem,
                             .request_id = wft_request_make(r)->request_id,
                             .detail = detail};

    if (identity->limit.limit_reset_s > 0) {
        refusal.limit = &identity->limit;
    }
    if (problem == WFM_UNAUTHORIZED) {
        wft_note_auth_failure(r, AUTH_TYPE);
    }
    return wfm_problem_refuse(r, &refusal);
}

int wft_check_authn(request_rec *r)
{
    const char *type = ap_auth_type(r);
    const wfm_identity_t *identity;

    if (!type || ap_cstr_casecmp(type, AUTH_TYPE) != 0) {
        return DECLINED;
    }
    identity = wft_identity(r);
    switch (identity->verdict) {
    case WFM_IDENTITY_OK:
        r->user = apr_pstrdup(r->pool, identity->who->subject);
        r->ap_auth_type = (char *)AUTH_TYPE;
        return OK;
    case WFM_IDENTITY_NONE:
    case WFM_IDENTITY_BAD:
        return refuse(r, identity, WFM_UNAUTHORIZED, WFT_SAY_WHO);
    case WFM_IDENTITY_AMBIGUOUS:
        return refuse(r, identity, WFM_BAD_REQUEST, WFT_SAY_TENANT);
    case WFM_IDENTITY_ELSEWHERE:
        return refuse(r, identity, WFM_FORBIDDEN, NULL);
    case WFM_IDENTITY_LIMITED:
        return refuse(r, identity, WFM_LIMITED, NULL);
    case WFM_IDENTITY_UNAVAILABLE:
        break;
    }
    return refuse(r, identity, WFM_UNAVAILABLE, NULL);
}

int wft_note_auth_failure(request_rec *r, const char *auth_type)
{
    const char *realm = ap_auth_name(r);

    if (ap_cstr_casecmp(auth_type, AUTH_TYPE) != 0) {
        return DECLINED;
    }
    apr_table_setn(r->err_headers_out,
                   r->proxyreq == PROXYREQ_PROXY ? "Proxy-Authenticate" : "WWW-Authenticate",
                   apr_pstrcat(r->pool, "Bearer realm=\"", realm ? realm : "wflows", "\"", NULL));
    return OK;
}

/* ---- Require wflows-role, wflows-scope, wflows-tenant -------------------------------------------------------- */

typedef int test_fn(request_rec *r, const wf_identity_t *who, const char *word);

/* What is parsed of a Require line. */
typedef struct {
    const char **words; /* ends with NULL */
} require_t;

static int has_role(request_rec *r, const wf_identity_t *who, const char *word)
{
    return who->role >= wf_role_parse(word);
}

static int has_scope(request_rec *r, const wf_identity_t *who, const char *word)
{
    return who->kind == WF_IDENTITY_KEY && (who->scopes & wf_scope_parse(word)) != 0;
}

static int is_of_tenant(request_rec *r, const wf_identity_t *who, const char *word)
{
    return (!who->company_id && who->role == WF_ROLE_PLATFORM_ADMIN) ||
           (who->company_slug && strcmp(who->company_slug, word) == 0);
}

/* A company that is not active may look and not touch. */
static int is_allowed_now(const request_rec *r, const wf_identity_t *who)
{
    return who->company_active || r->method_number == M_GET || r->method_number == M_OPTIONS;
}

/* Another Require line may still let the caller in: it is told when the request ends with a refusal. */
static void note_refusal(request_rec *r)
{
    if (!r->main) {
        apr_table_setn(r->notes, REFUSED_NOTE, "1");
    }
}

void wft_tell_refusal(request_rec *r)
{
    const wfm_request_t *req = wft_request(r);
    wf_runtime_t *runtime = wft_runtime_now();
    const wf_identity_t *who;
    wf_actor_t actor;

    if ((r->status != HTTP_FORBIDDEN && r->status != HTTP_UNAUTHORIZED) || !runtime ||
        !apr_table_get(r->notes, REFUSED_NOTE)) {
        return;
    }
    apr_table_unset(r->notes, REFUSED_NOTE);
    who = req->identity->who;
    actor = (wf_actor_t){.actor = who->subject,
                         .user_id = who->user_id,
                         .ip_address = r->useragent_ip,
                         .user_agent = apr_table_get(r->headers_in, "User-Agent")};
    wf_auth_refused(wfm_ctx_make(r, req->request_id), &runtime->service, who,
                    apr_pstrcat(r->pool, r->method, " ", r->uri, NULL), &actor);
}

static authz_status check(request_rec *r, const void *parsed, test_fn *test)
{
    const require_t *require = parsed;
    const wfm_identity_t *identity;
    int i;

    if (!r->user) {
        return AUTHZ_DENIED_NO_USER;
    }
    identity = wft_identity(r);
    if (identity->verdict != WFM_IDENTITY_OK || !is_allowed_now(r, identity->who)) {
        return AUTHZ_DENIED;
    }
    for (i = 0; require->words[i]; i++) {
        if (test(r, identity->who, require->words[i])) {
            return AUTHZ_GRANTED;
        }
    }
    note_refusal(r);
    return AUTHZ_DENIED;
}

static authz_status check_role(request_rec *r, const char *line, const void *parsed)
{
    return check(r, parsed, has_role);
}

static authz_status check_scope(request_rec *r, const char *line, const void *parsed)
{
    return check(r, parsed, has_scope);
}

/* Without a slug: of the tenant whose path it is. */
static authz_status check_tenant(request_rec *r, const char *line, const void *parsed)
{
    const wfm_request_t *req = wft_request(r);
    const char *here[] = {req && req->slug ? req->slug : "", NULL};
    const require_t of_path = {here}, *require = parsed;

    return check(r, require->words[0] ? require : &of_path, is_of_tenant);
}

typedef int is_word_fn(const char *word);

/* The words of a Require line; the first that is none, or NULL. */
static const char *parse(cmd_parms *cmd, require_t *out, const char *line, is_word_fn *is_word)
{
    apr_array_header_t *words = apr_array_make(cmd->pool, 4, sizeof(const char *));
    const char *word;

    while (*(word = ap_getword_conf(cmd->pool, &line))) {
        if (!is_word(word)) {
            return word;
        }
        APR_ARRAY_PUSH(words, const char *) = word;
    }
    APR_ARRAY_PUSH(words, const char *) = NULL;
    out->words = (const char **)words->elts;
    return NULL;
}

static int is_role(const char *word)
{
    return wf_role_parse(word) != WF_ROLE_NONE;
}

static int is_scope(const char *word)
{
    return wf_scope_parse(word) != 0;
}

static const char *parse_role(cmd_parms *cmd, const char *line, const void **parsed)
{
    require_t *require = apr_pcalloc(cmd->pool, sizeof(*require));
    const char *wrong = parse(cmd, require, line, is_role);

    *parsed = require;
    if (wrong) {
        return apr_psprintf(cmd->pool,
                            "Require wflows-role: '%s' is not known, use 'leitura', 'operador', "
                            "'gestor', 'admin' or 'platform_admin' (e.g. Require wflows-role "
                            "gestor)",
                            wrong);
    }
    return require->words[0] ? NULL
                             : "Require wflows-role needs a role (e.g. Require wflows-role gestor)";
}

static const char *parse_scope(cmd_parms *cmd, const char *line, const void **parsed)
{
    require_t *require = apr_pcalloc(cmd->pool, sizeof(*require));
    const char *wrong = parse(cmd, require, line, is_scope);

    *parsed = require;
    if (wrong) {
        return apr_psprintf(cmd->pool,
                            "Require wflows-scope: '%s' is not known, use read:<area> or "
                            "write:<area> (e.g. Require wflows-scope read:flows)",
                            wrong);
    }
    return require->words[0]
               ? NULL
               : "Require wflows-scope needs a scope (e.g. Require wflows-scope read:flows)";
}

static const char *parse_tenant(cmd_parms *cmd, const char *line, const void **parsed)
{
    require_t *require = apr_pcalloc(cmd->pool, sizeof(*require));
    const char *wrong = parse(cmd, require, line, wf_slug_is);

    *parsed = require;
    return wrong ? apr_psprintf(cmd->pool,
                                "Require wflows-tenant: '%s' is no slug of a company (e.g. Require "
                                "wflows-tenant acme)",
                                wrong)
                 : NULL;
}

void wft_authz_register(apr_pool_t *pool)
{
    static const authz_provider role = {check_role, parse_role};
    static const authz_provider scope = {check_scope, parse_scope};
    static const authz_provider tenant = {check_tenant, parse_tenant};

    ap_register_auth_provider(pool, AUTHZ_PROVIDER_GROUP, "wflows-role", AUTHZ_PROVIDER_VERSION,
                              &role, AP_AUTH_INTERNAL_PER_CONF);
    ap_register_auth_provider(pool, AUTHZ_PROVIDER_GROUP, "wflows-scope", AUTHZ_PROVIDER_VERSION,
                              &scope, AP_AUTH_INTERNAL_PER_CONF);
    ap_register_auth_provider(pool, AUTHZ_PROVIDER_GROUP, "wflows-tenant", AUTHZ_PROVIDER_VERSION,
                              &tenant, AP_AUTH_INTERNAL_PER_CONF);
}
