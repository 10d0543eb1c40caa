#include "wfa.h"

#include "service/wf_approval.h"
#include "store/wf_audit_store.h"

#include <http_request.h>
#include <string.h>

APLOG_USE_MODULE(wflows_admin);

/* ---- refusing
 * -------------------------------------------------------------------------------------------- */

static int refuse(request_rec *r, const wfm_refusal_t *refusal)
{
    return wfm_problem_reply(r, refusal);
}

static int refuse_plainly(const wfa_call_t *call, wfm_problem_t problem)
{
    wfm_refusal_t refusal = {.problem = problem, .request_id = call->ctx->request_id};

    return refuse(call->r, &refusal);
}

/* With what the library said, as far as a caller may know it. */
static wfm_refusal_t refusal_in_words(const wfa_call_t *call, wfm_problem_t problem)
{
    const wf_err_t *err = &call->ctx->err;

    return (wfm_refusal_t){.problem = problem,
                           .request_id = call->ctx->request_id,
                           .code = err->code,
                           .detail = err->public_text,
                           .faults = err->faults};
}

static int refuse_with_words(const wfa_call_t *call, wfm_problem_t problem)
{
    wfm_refusal_t refusal = refusal_in_words(call, problem);

    return refuse(call->r, &refusal);
}

static wfm_problem_t problem_of(wf_status_t st)
{
    switch (st) {
    case WF_EINVALID:
        return WFM_INVALID;
    case WF_ELIMIT:
        return WFM_PLAN_LIMIT;
    default:
        return wfm_problem_of_status(st);
    }
}

/* ---- which route
 * ----------------------------------------------------------------------------------------- */

/* "GET, HEAD, POST, OPTIONS" */
static const char *allow_header(apr_pool_t *pool, const wf_api_match_t *match)
{
    const char *out = "";
    int m;

    for (m = 0; m < WF_METHOD_COUNT; m++) {
        if (match->id[m] >= 0) {
            out = apr_pstrcat(pool, out, wf_method_name((wf_method_t)m), ", ",
                              m == WF_GET ? "HEAD, " : "", NULL);
        }
    }
    return apr_pstrcat(pool, out, "OPTIONS", NULL);
}

/* -1: not a method of the API. */
static int method_of(const request_rec *r)
{
    switch (r->method_number) {
    case M_GET:
        return WF_GET;
    case M_POST:
        return WF_POST;
    case M_PUT:
        return WF_PUT;
    case M_PATCH:
        return WF_PATCH;
    case M_DELETE:
        return WF_DELETE;
    default:
        return -1;
    }
}

/* ---- who
 * ------------------------------------------------------------------------------------------------- */

/* HTTP_CONTINUE, or what the handler is to return: the refusal is sent. So below. */
static int identify(wfa_call_t *call)
{
    const wfm_identity_t *identity = wfa_identity(call->r);
    wfm_refusal_t refusal = {.problem = WFM_UNAUTHORIZED, .request_id = call->ctx->request_id};

    if (identity->verdict != WFM_IDENTITY_OK && (call->route->flags & WF_API_PUBLIC)) {
        return HTTP_CONTINUE; /* an old token does not keep its bearer from getting a new one */
    }
    call->who = identity->who;
    if (call->who) {
        call->actor.actor = call->who->subject;
        call->actor.user_id = call->who->user_id;
    }
    switch (identity->verdict) {
    case WFM_IDENTITY_OK:
        return HTTP_CONTINUE;
    case WFM_IDENTITY_NONE:
        refusal.detail = "Say who you are: Authorization: Bearer, or X-API-Key.";
        break;
    case WFM_IDENTITY_BAD:
        refusal.code = "invalid_credentials";
        refusal.detail = "The credentials are not valid, or not any more.";
        break;
    case WFM_IDENTITY_AMBIGUOUS:
        if (call->route->flags & WF_API_SELF) {
            return HTTP_CONTINUE;
        }
        refusal.problem = WFM_BAD_REQUEST;
        refusal.code = "tenant_needed";
        refusal.detail = "You belong to several companies: name one with X-Tenant (id or slug).";
        break;
    case WFM_IDENTITY_ELSEWHERE:
        refusal.problem = WFM_FORBIDDEN;
        refusal.code = "not_your_company";
        refusal.detail = "X-Tenant names a company that you do not belong to.";
        break;
    case WFM_IDENTITY_LIMITED:
        refusal.problem = WFM_LIMITED;
        refusal.limit = &identity->limit;
        break;
    case WFM_IDENTITY_UNAVAILABLE:
        refusal.problem = WFM_UNAVAILABLE;
        break;
    }
    if (refusal.problem == WFM_UNAUTHORIZED) {
        apr_table_setn(call->r->err_headers_out, "WWW-Authenticate", "Bearer realm=\"wflows\"");
    }
    return refuse(call->r, &refusal);
}

/* The refusal stands whether it could be written down or not: why not is in the error log. */
static int forbid(wfa_call_t *call)
{
    (void)!wf_audit_refusal(wf_ctx_derive(call->ctx, call->r->pool), call->service->store,
                            call->who->company_id, call->route->name, &call->actor);
    return refuse_plainly(call, WFM_FORBIDDEN);
}

/* Another company's path is as unknown as one that leads nowhere. */
static int authorise(wfa_call_t *call)
{
    const wf_api_route_t *route = call->route;

    if (route->flags & WF_API_PUBLIC) {
        return HTTP_CONTINUE;
    }
    if (call->company_id && !wf_identity_sees_company(call->who, call->company_id)) {
        return refuse_plainly(call, WFM_NOT_FOUND);
    }
    if (!(route->flags & WF_API_SELF) && !wf_identity_may(call->who, route->role, route->scopes)) {
        return forbid(call);
    }
    if (call->who->company_id && !call->who->company_active && route->method != WF_GET &&
        !(route->flags & WF_API_SELF)) {
        return refuse_plainly(call, WFM_INACTIVE);
    }
    /* Its own company is there: the caller was found in it. */
    if (call->company_id && !call->who->company_id &&
        wf_company_check(call->ctx, call->service->store, call->company_id) != WF_OK) {
        return refuse_with_words(call, problem_of(call->ctx->err.status));
    }
    return HTTP_CONTINUE;
}

/* ---- what
 * ------------------------------------------------------------------------------------------------ */

/* 1 if a parameter of this name is a UUID: "{companyId}", "{id}". */
static int is_id(const char *name, size_t len)
{
    return len >= 2 && (strncmp(name + len - 2, "Id", 2) == 0 || (len == 2 && strncmp(name, "id", 2) == 0));
}

/* The path's parameters by the names that the route gives them. */
static int take_params(wfa_call_t *call, const wf_api_match_t *match)
{
    const char *p = call->route->path;
    int i;

    for (i = 0; i < match->param_count; i++) {
        const char *name = strchr(p, '{') + 1;
        size_t len = strcspn(name, "}");
        char *value = apr_pstrmemdup(call->r->pool, match->params[i].data, match->params[i].len);

        p = name + len;
        if (is_id(name, len)) {
            ap_str_tolower(value);
            if (!wf_uuid_is(value)) {
                (void)wf_fail_public(call->ctx, WF_ENOTFOUND, WFLOGNO(3010) "%.*s: not a UUID",
                                     (int)len, name);
                return refuse_with_words(call, WFM_NOT_FOUND);
            }
        }
        call->params[i] = value;
        if (len == 9 && strncmp(name, "companyId", len) == 0) {
            call->company_id = value;
        } else {
            call->id = value;
        }
    }
    return HTTP_CONTINUE;
}

static int take_input(wfa_call_t *call)
{
    wfm_problem_t problem = WFM_INTERNAL;
    int http = OK;

    call->actor.if_match = apr_table_get(call->r->headers_in, "If-Match");
    if ((call->route->flags & WF_API_MATCH) && !call->actor.if_match) {
        return refuse_plainly(call, WFM_MATCH_NEEDED);
    }
    if (wfa_input_read(call, &problem, &http) == WF_OK) {
        return HTTP_CONTINUE;
    }
    return problem == WFM_PROBLEM_COUNT ? http : refuse_with_words(call, problem);
}

/* ---- the call
 * ------------------------------------------------------------------------------------------------- */

/* What is answered is remembered before it is sent. */
static int finish(wfa_call_t *call, const wf_once_t *once, wfa_reply_t *reply)
{
    wfa_reply_finish(call, reply);
    if (once) {
        wfa_once_end(call, once, reply);
    }
    return wfa_reply_send(call, reply);
}

/* What a handler's failure is, where the call says more than its status. */
static wfm_problem_t failure_of(const wfa_call_t *call, wf_status_t st)
{
    if (st == WF_ELIMIT && call->wait_s > 0) {
        return WFM_LIMITED;
    }
    return st == WF_EDENIED && call->denied_is_401 ? WFM_UNAUTHORIZED : problem_of(st);
}

static int fail(wfa_call_t *call, const wf_once_t *once, wf_status_t st)
{
    wfm_refusal_t refusal = refusal_in_words(call, failure_of(call, st));
    wf_admission_t limit = {.limit_reset_s = call->wait_s};
    wfa_reply_t reply = {0};

    if (refusal.problem == WFM_LIMITED) {
        refusal.limit = &limit;
    }
    if (once) {
        reply.text = wfm_problem_text(call->r, &reply.len, &reply.http, &refusal);
        wfa_once_end(call, once, &reply);
    }
    return refuse(call->r, &refusal);
}

static int run(wfa_call_t *call, wf_api_route_id_t id)
{
    wfa_reply_t reply = {0};
    wf_once_t *once;
    wf_status_t st;
    int rc = wfa_once_begin(&once, call);

    if (rc != HTTP_CONTINUE) {
        return rc;
    }
    st = wfa_route_handler(id)(call, &reply);
    if (reply.sent) {
        if (once) {
            wfa_once_end(call, once, NULL);
        }
        return OK;
    }
    if (st != WF_OK && wf_approval_is_needed(call->ctx)) {
        st = wfa_approval_hold(call, &reply);
    }
    return st == WF_OK ? finish(call, once, &reply) : fail(call, once, st);
}

static int dispatch(wfa_call_t *call, const wf_api_match_t *match, wf_api_route_id_t id)
{
    int rc;

    if ((rc = take_params(call, match)) != HTTP_CONTINUE || (rc = identify(call)) != HTTP_CONTINUE ||
        (rc = authorise(call)) != HTTP_CONTINUE || (rc = take_input(call)) != HTTP_CONTINUE) {
        return rc;
    }
    return run(call, id);
}

static void begin(wfa_call_t *call, request_rec *r, const wfm_request_t *req,
                  const wf_runtime_t *runtime)
{
    *call = (wfa_call_t){.r = r, .service = runtime ? &runtime->service : NULL};
    call->ctx = wfm_ctx_make(r, req->request_id);
    call->ctx->deadline = apr_time_now() + wfa_timeout(r);
    call->actor = (wf_actor_t){.actor = "nobody",
                               .four_eyes = 1,
                               .ip_address = r->useragent_ip,
                               .user_agent = apr_table_get(r->headers_in, "User-Agent")};
}

static int answer(request_rec *r, const wfm_request_t *req)
{
    wfm_refusal_t refusal = {.problem = WFM_NOT_FOUND, .request_id = req->request_id};
    wf_api_match_t match;
    wfa_call_t call;
    int method = method_of(r);

    wfa_cors_headers(r);
    wfa_input_tags(r);
    if (!wf_api_route_find(&match, req->rest)) {
        return refuse(r, &refusal);
    }
    if (r->method_number == M_OPTIONS) {
        return wfa_options_reply(r, allow_header(r->pool, &match));
    }
    if (method < 0 || match.id[method] < 0) {
        refusal.problem = WFM_METHOD;
        refusal.allow = allow_header(r->pool, &match);
        return refuse(r, &refusal);
    }
    begin(&call, r, req, wfa_runtime());
    call.route = wf_api_route((wf_api_route_id_t)match.id[method]);
    if (!call.service) {
        return refuse_plainly(&call, WFM_UNAVAILABLE);
    }
    if (!(call.route->flags & WF_API_ANY_TYPE) && !wfa_accepts(r, "application/json")) {
        return refuse_plainly(&call, WFM_NOT_ACCEPTABLE);
    }
    return dispatch(&call, &match, (wf_api_route_id_t)match.id[method]);
}

int wfa_handler(request_rec *r)
{
    const wfm_request_t *req = wfa_request(r);

    return req && req->place == WFM_PLACE_API ? answer(r, req) : DECLINED;
}
