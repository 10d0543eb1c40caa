/* wflowsctl send: acts as the WhatsApp client. Encrypts a request for an account, posts it as
 * Meta's relay would, decrypts the answer. */
#include "wfc.h"

#include <apr_escape.h>
#include <stdio.h>
#include <string.h>

#define RAW_MAX (10 * 1024 * 1024)
#define REPLY_MAX (16 * 1024 * 1024)
#define TIMEOUT_DEFAULT apr_time_from_sec(10) /* Meta's relay waits as long */
#define COUNT_MAX 1000000
#define BODY_SHOWN 300 /* of an answer that is not ours: an error page */

static const wfc_option_t options[] = {
    {"company", 'C', WFC_TEXT, 0, "SLUG|ID", "whose endpoint, key and app secret"},
    WFC_OPTION_ACCOUNT,
    {"flow", 'f', WFC_TEXT, 0, "NAME", "the flow's name in the path, NAME@VERSION pins a version"},
    {"base-url", 'b', WFC_TEXT, 0, "URL", "of the server; /company/… is added to it"},
    {"url", 'u', WFC_TEXT, 0, "URL", "the whole endpoint URL instead"},
    {"public-key", 0, WFC_TEXT, 0, "FILE", "PEM instead of the account's key"},
    {"app-secret", 0, WFC_SECRET, 0, "SOURCE", "instead of the account's"},
    {"screen", 's', WFC_TEXT, 0, "ID", "screen the user is on (BACK: is leaving)"},
    {"data", 'd', WFC_TEXT, 0, "JSON|@FILE", "what the user submits"},
    {"token", 't', WFC_TEXT, 0, "TEXT", "flow_token, names the session"},
    {"api-version", 0, WFC_TEXT, 0, "V", "data API version (3.0)"},
    {"raw", 0, WFC_TEXT, 0, "FILE",
     "encrypt and send this text as it stands, instead of an ACTION"},
    {"count", 'n', WFC_TEXT, 0, "N", "send it so many times, each encrypted anew"},
    {"timeout", 0, WFC_TEXT, 0, "DURATION", "for each (10s)"},
    WFC_OPTION_END};

typedef struct {
    const char *url;
    const char *public_pem;
    const char *app_secret;
    const char *text; /* of the request, in clear */
    size_t len;
    apr_interval_time_t timeout;
    wf_http_t *http;
} send_t;

typedef struct {
    int status;
    const char *request_id;
    const char *plain; /* decrypted answer; NULL: none */
    size_t plain_len;
    const char *body; /* as it came */
    apr_interval_time_t took;
} answer_t;

/* ---- what to send ---------------------------------------------------------------------------- */

static wf_status_t request_from_options(wfc_t *c, send_t *s)
{
    static const char *const actions[] = {"ping", "INIT", "BACK", "data_exchange"};
    const char *action = c->arg_count ? c->args[0] : NULL;
    wf_json_t *request = wf_json_object_make(c->pool), *data = NULL;
    int is_ping = action && strcmp(action, "ping") == 0, known = 0;
    wf_status_t st;
    size_t i;

    for (i = 0; action && i < sizeof(actions) / sizeof(actions[0]); i++) {
        known |= strcmp(action, actions[i]) == 0;
    }
    if (!known) {
        return wfc_usage(
            c,
            action ? "'%s' is no action: ping, INIT, BACK or data_exchange (--raw sends anything)"
                   : "what to send is missing: %sping, INIT, BACK, data_exchange, or --raw FILE",
            action ? action : "");
    }
    st = wfc_object_opt(c, &data, "data");
    if (st != WF_OK) {
        return st;
    }
    wf_json_set_str(request, "version",
                    wfc_opt(c, "api-version") ? wfc_opt(c, "api-version") : "3.0");
    wf_json_set_str(request, "action", action);
    wf_json_set_str(request, "screen", wfc_opt(c, "screen"));
    wf_json_set(request, "data", data || is_ping ? data : wf_json_object_make(c->pool));
    wf_json_set_str(request, "flow_token", wfc_opt(c, "token"));
    s->text = wf_json_text(c->pool, request, &s->len);
    return WF_OK;
}

static wf_status_t raw_from_options(wfc_t *c, send_t *s)
{
    if (c->arg_count || wfc_opt(c, "screen") || wfc_opt(c, "data") || wfc_opt(c, "token")) {
        return wfc_usage(
            c, "--raw is the whole request: no ACTION, --screen, --data or --token beside it");
    }
    return wfc_read_file(c, &s->text, &s->len, wfc_opt(c, "raw"), RAW_MAX);
}

/* ---- to whom --------------------------------------------------------------------------------- */

static wf_status_t open_store(wfc_t *c)
{
    wf_status_t st = wfc_conf_read(c);

    if (st == WF_OK) {
        st = wfc_ring_open(c, &c->ring);
    }
    return st == WF_OK ? wfc_runtime_open(c) : st;
}

static wf_status_t secret_of_account(wfc_t *c, send_t *s, const wf_json_t *company,
                                     const wf_json_t *account)
{
    wf_secret_t secret = {NULL, 0};
    wf_status_t st =
        wf_account_secret_load(c->ctx, &secret, c->store, c->ring, wfc_id(company),
                               wfc_id(account), "app_secret");

    if (st == WF_ENOTFOUND) {
        wf_ctx_clear(c->ctx);
        c->hint =
            "Set it with 'wflowsctl account set --app-secret SOURCE', or give --app-secret here.";
        return wf_fail_public(c->ctx, WF_ENOTFOUND,
                              WFLOGNO(4080) "account '%s' has no app secret to sign with",
                              wf_json_get_str(account, "name", "-"));
    }
    s->app_secret = (const char *)secret.data;
    return st;
}

/* What the options do not say comes from the database. */
static wf_status_t fill_from_database(wfc_t *c, send_t *s, const char **slug,
                                      const char **account_id)
{
    wf_json_t *company = NULL, *account = NULL;
    wf_status_t st;

    if ((st = open_store(c)) != WF_OK ||
        (st = wfc_company(c, &company, wfc_opt(c, "company"))) != WF_OK ||
        (st = wfc_account(c, &account, company, wfc_opt(c, "account"))) != WF_OK) {
        return st;
    }
    *slug = wf_json_get_str(company, "slug", NULL);
    *account_id = wfc_id(account);
    if (!s->public_pem && !(s->public_pem = wf_json_get_str(account, "public_key", NULL))) {
        c->hint = "'wflowsctl key new' makes one; or give --public-key FILE.";
        return wf_fail_public(c->ctx, WF_ENOTFOUND,
                              WFLOGNO(4081) "account '%s' has no key to encrypt for",
                              wf_json_get_str(account, "name", "-"));
    }
    return s->app_secret ? WF_OK : secret_of_account(c, s, company, account);
}

/* A path segment may hold anything that was typed. */
static const char *escaped(apr_pool_t *pool, const char *segment)
{
    return apr_pescape_path_segment(pool, segment);
}

static const char *endpoint_url(wfc_t *c, const char *slug, const char *account_id)
{
    const char *base = wfc_opt(c, "base-url"), *flow = wfc_opt(c, "flow");
    size_t len = strlen(base);

    while (len > 0 && base[len - 1] == '/') {
        len--;
    }
    return apr_pstrcat(c->pool, apr_pstrmemdup(c->pool, base, len), "/company/",
                       escaped(c->pool, slug), account_id ? "/account/" : "",
                       account_id ? escaped(c->pool, account_id) : "", "/flows/endpoint",
                       flow ? "/" : "", flow ? escaped(c->pool, flow) : "", NULL);
}

static wf_status_t target_from_options(wfc_t *c, send_t *s)
{
    const char *slug = wfc_opt(c, "company"), *account_id = NULL;
    size_t len;
    wf_status_t st = wfc_secret_opt(c, &s->app_secret, "app-secret");

    if (st == WF_OK && wfc_opt(c, "public-key")) {
        st = wfc_read_file(c, &s->public_pem, &len, wfc_opt(c, "public-key"), 65536);
    }
    if (st != WF_OK) {
        return st;
    }
    if (!wfc_opt(c, "url") == !wfc_opt(c, "base-url")) {
        return wfc_usage(c, "say where to: --base-url URL with --company, or --url URL");
    }
    if (!slug && (!s->public_pem || !s->app_secret || !wfc_opt(c, "url"))) {
        return wfc_usage(
            c, "without --company, all of --url, --public-key and --app-secret are needed");
    }
    if (slug && (!s->public_pem || !s->app_secret || wfc_opt(c, "account"))) {
        st = fill_from_database(c, s, &slug, &account_id);
        if (st != WF_OK) {
            return st;
        }
    }
    /* The default account is what a path without one means. */
    s->url = wfc_opt(c, "url") ? wfc_opt(c, "url")
                               : endpoint_url(c, slug, wfc_opt(c, "account") ? account_id : NULL);
    return WF_OK;
}

/* The operator typed the address, so it may be any, loopback too. */
static wf_status_t make_http(wfc_t *c, wf_http_t **http)
{
    apr_array_header_t *all = apr_array_make(c->pool, 2, sizeof(const char *));
    wf_http_conf_t conf = {.reply_max = REPLY_MAX};
    wf_http_guard_t *guard = NULL;
    wf_status_t st;

    *http = NULL;
    APR_ARRAY_PUSH(all, const char *) = "0.0.0.0/0";
    APR_ARRAY_PUSH(all, const char *) = "::/0";
    st = wf_http_guard_make(c->ctx, &guard, c->pool, all);
    conf.guard = guard;
    return st == WF_OK ? wf_http_make(c->ctx, http, c->pool, &conf) : st;
}

/* ---- one exchange ---------------------------------------------------------------------------- */

static wf_status_t exchange(wf_ctx_t *ctx, answer_t *out, const send_t *s)
{
    unsigned char mac[WF_SHA256_LEN];
    wf_exchange_key_t *key = NULL;
    wf_http_request_t request;
    wf_http_reply_t reply;
    apr_table_t *headers = apr_table_make(ctx->pool, 3);
    wf_slice_t body, plain = {NULL, 0};
    wf_status_t st;

    memset(out, 0, sizeof(*out));
    st = wf_envelope_client_make(ctx, &body, &key, s->public_pem, s->text, s->len);
    if (st != WF_OK) {
        return st;
    }
    wf_hmac_sha256(mac, s->app_secret, strlen(s->app_secret), body.data, body.len);
    apr_table_setn(headers, "Content-Type", "application/json");
    apr_table_setn(headers, "X-Hub-Signature-256",
                   apr_pstrcat(ctx->pool, "sha256=", wf_hex(ctx->pool, mac, sizeof(mac)), NULL));
    request = (wf_http_request_t){.method = "POST",
                                  .url = s->url,
                                  .headers = headers,
                                  .body = body.data,
                                  .body_len = body.len,
                                  .timeout = s->timeout};
    memset(&reply, 0, sizeof(reply));
    st = wf_http_send(ctx, &reply, s->http, &request);
    if (st != WF_OK) {
        return st;
    }
    out->status = reply.status;
    out->took = reply.took;
    out->body = reply.body;
    out->request_id = reply.headers ? apr_table_get(reply.headers, "x-request-id") : NULL;
    /* Only these two carry an encrypted body (WHATSAPP.md 1.14); 427 may come without one. */
    if (reply.status == 200 || (reply.status == 427 && reply.body_len)) {
        st = wf_envelope_client_open(ctx, &plain, key, reply.body, reply.body_len);
        out->plain = plain.data;
        out->plain_len = plain.len;
    }
    return st;
}

/* ---- what came ------------------------------------------------------------------------------- */

static const char *meaning(int status)
{
    static const struct {
        int status;
        const char *text;
    } known[] = {{400, "not the encrypted envelope"},
                 {403, "company or account is not active"},
                 {404, "no such company, account or flow"},
                 {405, "wrong method"},
                 {413, "body over WflowsFlowBodyMax"},
                 {421, "no key of the account decrypts it: a wrong or old public key"},
                 {427, "the flow token is not valid (any more)"},
                 {429, "over a rate limit or the monthly quota"},
                 {432, "the signature does not fit: a wrong app secret"},
                 {500, "the server could not answer: see its error log"},
                 {503, "the server's database does not answer"}};
    size_t i;

    for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (known[i].status == status) {
            return known[i].text;
        }
    }
    return "not a status that the protocol knows";
}

typedef struct {
    int sent, ok;
    apr_interval_time_t least, most, total;
} tally_t;

static wf_json_t *answer_json(wfc_t *c, const answer_t *a, const wf_json_t *reply, const tally_t *t)
{
    wf_json_t *document = wf_json_object_make(c->pool);

    wf_json_set_int(document, "status", a->status);
    wf_json_set_str(document, "request_id", a->request_id);
    wf_json_set_int(document, "took_us", a->took);
    wf_json_set(document, "reply",
                reply ? wf_json_copy(c->pool, reply) : wf_json_null_make(c->pool));
    if (a->status != 200) {
        wf_json_set_str(document, "meaning", meaning(a->status));
        wf_json_set_str(document, "body", a->plain ? NULL : a->body);
    }
    wf_json_set_int(document, "sent", t->sent);
    wf_json_set_int(document, "ok", t->ok);
    if (t->sent > 1) {
        wf_json_set_int(document, "least_us", t->least);
        wf_json_set_int(document, "mean_us", t->total / t->sent);
        wf_json_set_int(document, "most_us", t->most);
    }
    return document;
}

static wf_status_t print_answer(wfc_t *c, const answer_t *a, const tally_t *t)
{
    wf_json_t *reply = NULL;
    wf_status_t st;

    if (a->plain) {
        c->hint = "The answer decrypts, but is not JSON.";
        st = wf_json_parse(c->ctx, &reply, a->plain, a->plain_len, 0);
        if (st != WF_OK) {
            return st;
        }
        c->hint = NULL;
    }
    if (t->ok < t->sent) {
        c->exit_code = WFC_EXIT_FAILED;
    }
    if (c->json) {
        wfc_print_json(c, answer_json(c, a, reply, t));
        return WF_OK;
    }
    fprintf(stderr, "%d in %.1f ms%s%s%s%s\n", a->status, (double)a->took / 1000.0,
            a->status == 200 ? "" : ": ", a->status == 200 ? "" : meaning(a->status),
            a->request_id ? ", request " : "", a->request_id ? a->request_id : "");
    if (t->sent > 1) {
        fprintf(stderr,
                "%d sent, %d answered with 200; least %.1f ms, mean %.1f ms, most %.1f ms\n",
                t->sent, t->ok, (double)t->least / 1000.0, (double)t->total / t->sent / 1000.0,
                (double)t->most / 1000.0);
    }
    if (reply) {
        puts(wf_json_text_pretty(c->pool, reply));
    } else if (a->body && *a->body) {
        wfc_say(c, "%.*s", BODY_SHOWN, wfc_cell(c->pool, wf_json_str_make(c->pool, a->body)));
    }
    return WF_OK;
}

/* ---- the command ----------------------------------------------------------------------------- */

static wf_status_t send_all(wfc_t *c, const send_t *s, int count)
{
    apr_pool_t *one = NULL;
    answer_t answer = {0};
    tally_t t = {0, 0, 0, 0, 0};
    wf_status_t st = WF_OK;

    apr_pool_create(&one, c->pool);
    while (st == WF_OK && t.sent < count) {
        wf_ctx_t *ctx;

        apr_pool_clear(one);
        ctx = wf_ctx_derive(c->ctx, one);
        st = exchange(ctx, &answer, s);
        if (st != WF_OK) {
            c->ctx->err = ctx->err;
            break;
        }
        t.least = t.sent == 0 || answer.took < t.least ? answer.took : t.least;
        t.most = answer.took > t.most ? answer.took : t.most;
        t.total += answer.took;
        t.ok += answer.status == 200;
        t.sent++;
    }
    if (st == WF_OK) {
        return print_answer(c, &answer, &t);
    }
    c->hint = st == WF_EUNAVAIL  ? "Is the server running there, and is it the right URL?"
              : st == WF_EDENIED ? "The answer is not encrypted for this request."
                                 : c->hint;
    return st;
}

static wf_status_t run(wfc_t *c)
{
    send_t s;
    int64_t count;
    wf_status_t st;

    memset(&s, 0, sizeof(s));
    if ((st = wfc_int_opt(c, &count, "count", 1, 1, COUNT_MAX)) != WF_OK ||
        (st = wfc_duration_opt(c, &s.timeout, "timeout", TIMEOUT_DEFAULT)) != WF_OK ||
        (st = wfc_opt(c, "raw") ? raw_from_options(c, &s) : request_from_options(c, &s)) != WF_OK ||
        (st = target_from_options(c, &s)) != WF_OK || (st = make_http(c, &s.http)) != WF_OK) {
        return st;
    }
    return send_all(c, &s, (int)count);
}

const wfc_command_t wfc_send_commands[] = {
    {"send", "[ACTION]", 0, 1, options, 0, run,
     "Acts as the WhatsApp client: encrypts, signs, posts, decrypts",
     "ACTION is ping, INIT, BACK or data_exchange. The public key and the app secret come from the "
     "database\n"
     "(--company) or from --public-key and --app-secret, which need no configuration. The "
     "decrypted answer\n"
     "goes to standard output. Exit code 0 only when every answer was 200.\n\n"
     "  wflowsctl send -C acme -b http://127.0.0.1:8080 -f survey INIT -t token-1\n"
     "  wflowsctl send -C acme -b http://127.0.0.1:8080 -f survey data_exchange -t token-1 -s "
     "START \\\n"
     "      -d '{\"name\": \"Ana\"}'"},
    WFC_COMMANDS_END};
