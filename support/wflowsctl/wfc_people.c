/* wflowsctl user, api-key, token: who may use the management API. */
#include "wfc.h"

#include "service/wf_people.h"
#include "tenant/wf_claims.h"

#include <apr_file_io.h>
#include <string.h>

#define SECRET_TTL_DEFAULT apr_time_from_sec(3600)
#define SECRET_TTL_MAX apr_time_from_sec((apr_int64_t)366 * 86400)
#define RATE_MAX 1000000

static wf_giver_t giver(const wfc_t *c)
{
    return (wf_giver_t){NULL, &c->actor};
}

/* ---- user ------------------------------------------------------------------------------------ */

#define USER_OPTIONS                                                                             \
    WFC_OPTION_COMPANY, {"role", 0, WFC_TEXT, 0, "ROLE", "leitura, operador, gestor or admin"},  \
        {"name", 0, WFC_TEXT, 0, "NAME", "what they are called"},                                \
    {                                                                                            \
        "password", 0, WFC_SECRET, 0, "SOURCE", "12 bytes or more; - asks for it"                \
    }

static const wfc_option_t user_add_options[] = {USER_OPTIONS, WFC_OPTION_END};
static const wfc_option_t user_set_options[] = {
    WFC_OPTION_COMPANY,
    {"role", 0, WFC_TEXT, 0, "ROLE", "leitura, operador, gestor or admin"},
    {"name", 0, WFC_TEXT, 0, "NAME", "what they are called"},
    {"email", 0, WFC_TEXT, 0, "ADDRESS", "what they log in with"},
    {"status", 0, WFC_TEXT, 0, "STATUS", "active, or inactive: keeps them out at once"},
    WFC_OPTION_END};
static const wfc_option_t password_options[] = {
    WFC_OPTION_COMPANY,
    {"password", 0, WFC_SECRET, 1, "SOURCE", "12 bytes or more; - asks for it"},
    WFC_OPTION_END};
static const wfc_option_t company_options[] = {WFC_OPTION_COMPANY, WFC_OPTION_END};
static const wfc_option_t user_remove_options[] = {
    WFC_OPTION_COMPANY, WFC_OPTION_YES("they are out at once"), WFC_OPTION_END};

static const wfc_column_t user_columns[] = {{"E-MAIL", "/email", 0},   {"NAME", "/name", 0},
                                            {"ROLE", "/role", 0},      {"STATUS", "/status", 0},
                                            {"LAST LOG-IN", "/last_login_at", 0},
                                            {"ID", "/id", 0},          {NULL, NULL, 0}};

static wf_status_t take_password(wfc_t *c, wf_json_t *members)
{
    const char *source = wfc_opt(c, "password"), *text;
    wf_status_t st;

    if (!source) {
        return WF_OK;
    }
    if ((st = wfc_source_read(c, &text, "password", source, 0)) == WF_OK) {
        wf_json_set_str(members, "password", text);
    }
    return st;
}

static wf_status_t find_user(wfc_t *c, wf_json_t **company, wf_json_t **user)
{
    wf_status_t st = wfc_company(c, company, wfc_opt(c, "company"));

    return st == WF_OK ? wf_user_find(c->ctx, user, c->store, wfc_id(*company), c->args[0]) : st;
}

static wf_status_t run_user_add(wfc_t *c)
{
    wf_json_t *members = wf_json_object_make(c->pool), *company = NULL, *doc = NULL;
    wf_giver_t by = giver(c);
    wf_status_t st = wfc_company(c, &company, wfc_opt(c, "company"));

    wf_json_set_str(members, "email", c->args[0]);
    wf_json_set_str(members, "name", wfc_opt(c, "name") ? wfc_opt(c, "name") : c->args[0]);
    wf_json_set_str(members, "role", wfc_opt(c, "role") ? wfc_opt(c, "role") : "leitura");
    if (st == WF_OK) {
        st = take_password(c, members);
    }
    if (st == WF_OK) {
        st = wf_user_add(c->ctx, &doc, &c->runtime->service, wfc_id(company), members, &by);
    }
    if (st == WF_OK) {
        wfc_print_done(c, doc, "%s is in company %s as %s (%s): %s", c->args[0],
                       wf_json_get_str(company, "slug", "-"), wf_json_get_str(doc, "role", "-"),
                       wf_json_get_str(doc, "status", "-"), wfc_id(doc));
    }
    return st;
}

static wf_status_t run_user_list(wfc_t *c)
{
    return wfc_print_list_of(c, wf_user_list, user_columns,
                             "There is nobody yet: 'wflowsctl user add' lets somebody in.");
}

static wf_status_t run_user_show(wfc_t *c)
{
    wf_json_t *company = NULL, *user = NULL;
    wf_status_t st = find_user(c, &company, &user);

    if (st == WF_OK) {
        wfc_print_record(c, user);
    }
    return st;
}

static wf_status_t change_user(wfc_t *c, const wf_json_t *members)
{
    wf_json_t *company = NULL, *user = NULL, *doc = NULL;
    wf_giver_t by = giver(c);
    wf_status_t st = find_user(c, &company, &user);

    if (st == WF_OK) {
        st = wf_user_change(c->ctx, &doc, &c->runtime->service, wfc_id(company), wfc_id(user),
                            members, 0, &by);
    }
    if (st == WF_OK) {
        wfc_print_done(c, doc, "%s is changed (%s, %s)", wf_json_get_str(doc, "email", "-"),
                       wf_json_get_str(doc, "role", "-"), wf_json_get_str(doc, "status", "-"));
    }
    return st;
}

static wf_status_t run_user_set(wfc_t *c)
{
    static const char *const options[] = {"email", "name", "role", "status"};
    wf_json_t *members = wf_json_object_make(c->pool);
    size_t i;

    for (i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        wf_json_set_str(members, options[i], wfc_opt(c, options[i]));
    }
    if (wf_json_len(members) == 0) {
        return wfc_usage(c, "nothing to change: give at least one option");
    }
    return change_user(c, members);
}

static wf_status_t run_user_password(wfc_t *c)
{
    wf_json_t *members = wf_json_object_make(c->pool);
    wf_status_t st = take_password(c, members);

    return st == WF_OK ? change_user(c, members) : st;
}

static wf_status_t run_user_remove(wfc_t *c)
{
    wf_json_t *company = NULL, *user = NULL;
    wf_status_t st = find_user(c, &company, &user);

    if (st == WF_OK) {
        st = wf_user_remove(c->ctx, c->store, wfc_id(company), wfc_id(user), &c->actor);
    }
    if (st == WF_OK) {
        wfc_print_done(c, user, "%s is out of company %s", wf_json_get_str(user, "email", "-"),
                       wf_json_get_str(company, "slug", "-"));
    }
    return st;
}

/* ---- api-key --------------------------------------------------------------------------------- */

static const wfc_option_t key_new_options[] = {
    WFC_OPTION_COMPANY,
    {"name", 0, WFC_TEXT, 1, "NAME", "what it is for"},
    {"scope", 's', WFC_MANY, 1, "SCOPE", "read:<area>, write:<area> or all; may be given often"},
    {"account", 'a', WFC_MANY, 0, "ACCOUNT", "only for this account; may be given often"},
    {"rate", 0, WFC_TEXT, 0, "N", "requests a minute (else 60)"},
    {"ttl", 0, WFC_TEXT, 0, "DURATION", "it expires after it, as 90d (else never)"},
    WFC_OPTION_OUT,
    WFC_OPTION_END};
static const wfc_option_t key_revoke_options[] = {
    WFC_OPTION_COMPANY, WFC_OPTION_YES("programs that use it are out at once"), WFC_OPTION_END};

static const wfc_column_t key_columns[] = {{"NAME", "/name", 0},
                                           {"LOOK-UP ID", "/key_prefix", 0},
                                           {"STATUS", "/status", 0},
                                           {"RATE", "/rate_limit_per_minute", 1},
                                           {"USES", "/usage_count", 1},
                                           {"LAST USED", "/last_used_at", 0},
                                           {"ID", "/id", 0},
                                           {NULL, NULL, 0}};

typedef struct {
    wfc_t *c;
    const wf_json_t *company;
    wf_json_t *list;
    wf_status_t status;
} many_t;

static int add_scope(void *baton, const char *option, const char *value)
{
    many_t *many = baton;
    unsigned bit;

    if (strcmp(value, "all") != 0) {
        wf_json_push(many->list, wf_json_str_make(many->c->pool, value));
        return 1;
    }
    for (bit = 0; bit < 2 * WF_AREA_COUNT; bit++) {
        wf_json_push(many->list,
                     wf_json_str_make(many->c->pool, wf_scope_name(many->c->pool, bit)));
    }
    return 1;
}

static int add_account(void *baton, const char *option, const char *value)
{
    many_t *many = baton;
    wf_json_t *account;

    many->status = wfc_account(many->c, &account, many->company, value);
    if (many->status == WF_OK) {
        wf_json_push(many->list, wf_json_str_make(many->c->pool, wfc_id(account)));
    }
    return many->status == WF_OK;
}

static wf_status_t key_members(wfc_t *c, wf_json_t *members, const wf_json_t *company)
{
    many_t scopes = {c, company, wf_json_array_make(c->pool), WF_OK};
    many_t accounts = {c, company, wf_json_array_make(c->pool), WF_OK};
    apr_interval_time_t ttl;
    int64_t rate;
    wf_status_t st;

    if ((st = wfc_int_opt(c, &rate, "rate", 60, 1, RATE_MAX)) != WF_OK ||
        (st = wfc_duration_opt(c, &ttl, "ttl", 0)) != WF_OK) {
        return st;
    }
    apr_table_do(add_scope, &scopes, c->options, "scope", NULL);
    apr_table_do(add_account, &accounts, c->options, "account", NULL);
    wf_json_set_str(members, "name", wfc_opt(c, "name"));
    wf_json_set(members, "scopes", scopes.list);
    wf_json_set(members, "whatsapp_account_ids", accounts.list);
    wf_json_set_int(members, "rate_limit_per_minute", rate);
    if (ttl > 0) {
        wf_json_set_str(members, "expires_at",
                        wf_time_format(c->pool, wf_now(c->ctx) + ttl));
    }
    return accounts.status;
}

/* *file: that of --out, or NULL. Made before the secret is: one that nobody gets to see is of no use, and is there. */
static wf_status_t open_out(wfc_t *c, apr_file_t **file)
{
    const char *path = wfc_opt(c, "out");

    *file = NULL;
    return path ? wfc_file_create(c, file, path, 1) : WF_OK;
}

/* The one time that the secret is seen: a file, else standard output. `st`: whether it was made. */
static wf_status_t hand_over(wfc_t *c, wf_status_t st, apr_file_t *file, wf_json_t *record,
                             const char *member, const char *text)
{
    const char *path = wfc_opt(c, "out"), *line;

    if (st != WF_OK) {
        if (file) {
            (void)apr_file_remove(path, c->pool); /* it is empty */
        }
        return st;
    }
    line = apr_pstrcat(c->pool, text, "\n", NULL);
    if (!file) {
        wf_json_set_str(record, member, text);
        wfc_print_text(c, record, line);
        return WF_OK;
    }
    if ((st = wfc_file_finish(c, file, path, line)) == WF_OK) {
        wf_json_set_str(record, "file", path);
        wfc_print_done(c, record, "it is in %s (mode 0600)", path);
    }
    return st;
}

static wf_status_t run_key_new(wfc_t *c)
{
    wf_json_t *members = wf_json_object_make(c->pool), *company = NULL, *doc = NULL;
    wf_giver_t by = giver(c);
    const char *text = NULL;
    apr_file_t *file;
    wf_status_t st = wfc_company(c, &company, wfc_opt(c, "company"));

    if (st == WF_OK) {
        st = key_members(c, members, company);
    }
    if (st != WF_OK || (st = open_out(c, &file)) != WF_OK) {
        return st;
    }
    st = wf_api_key_issue(c->ctx, &doc, &text, &c->runtime->service, wfc_id(company), members, &by);
    return hand_over(c, st, file, doc, "key", text);
}

static wf_status_t run_key_list(wfc_t *c)
{
    return wfc_print_list_of(c, wf_api_key_list, key_columns,
                             "There is no API key yet: 'wflowsctl api-key new' makes one.");
}

static int is_key(const wf_json_t *key, const char *which)
{
    return strcmp(wfc_id(key), which) == 0 ||
           strcmp(wf_json_get_str(key, "key_prefix", ""), which) == 0 ||
           (strcmp(wf_json_get_str(key, "name", ""), which) == 0 &&
            strcmp(wf_json_get_str(key, "status", ""), WF_STATUS_ACTIVE) == 0);
}

static wf_status_t run_key_revoke(wfc_t *c)
{
    wf_json_t *company = NULL, *all = NULL, *key = NULL;
    wf_status_t st = wfc_company(c, &company, wfc_opt(c, "company"));
    size_t i;

    if (st == WF_OK) {
        st = wf_api_key_list(c->ctx, &all, c->store, wfc_id(company));
    }
    for (i = 0; st == WF_OK && !key && i < wf_json_len(all); i++) {
        key = is_key(wf_json_at(all, i), c->args[0]) ? wf_json_at(all, i) : NULL;
    }
    if (st == WF_OK && !key) {
        c->hint = "'wflowsctl api-key list' shows them.";
        return wf_fail_public(c->ctx, WF_ENOTFOUND, WFLOGNO(4100) "there is no such API key");
    }
    if (st == WF_OK) {
        st = wf_api_key_revoke(c->ctx, c->store, wfc_id(company), wfc_id(key), &c->actor);
    }
    if (st == WF_OK) {
        wfc_print_done(c, key, "API key %s is revoked", wf_json_get_str(key, "name", "-"));
    }
    return st;
}

/* ---- token ----------------------------------------------------------------------------------- */

static const wfc_option_t token_options[] = {
    {"role", 0, WFC_TEXT, 1, "ROLE", "platform_admin, or a role of a company"},
    {"company", 'C', WFC_TEXT, 0, "SLUG|ID", "the company, for every other role"},
    {"subject", 0, WFC_TEXT, 0, "NAME", "whose it is, for the audit log (else you)"},
    {"ttl", 0, WFC_TEXT, 0, "DURATION", "how long it is valid (else 1h; 366d at most)"},
    WFC_OPTION_OUT,
    WFC_OPTION_END};

static wf_status_t token_claims(wfc_t *c, wf_json_t *claims, wf_role_t role)
{
    wf_json_t *roles = wf_json_array_make(c->pool), *company = NULL;
    const char *which = wfc_opt(c, "company");
    apr_time_t now = wf_now(c->ctx);
    apr_interval_time_t ttl;
    wf_status_t st;

    if ((role == WF_ROLE_PLATFORM_ADMIN) == (which != NULL)) {
        return wfc_usage(c, which ? "platform_admin is of no company: leave --company out"
                                  : "this role is of a company: add --company SLUG");
    }
    if ((st = wfc_duration_opt(c, &ttl, "ttl", SECRET_TTL_DEFAULT)) != WF_OK) {
        return st;
    }
    if (ttl <= 0 || ttl > SECRET_TTL_MAX) {
        return wfc_usage(c, "--ttl: more than nothing and at most 366d");
    }
    if (which && (st = wfc_company(c, &company, which)) != WF_OK) {
        return st;
    }
    wf_json_push(roles, wf_json_str_make(c->pool, wf_role_name(role)));
    wf_json_set_str(claims, "sub", wfc_opt(c, "subject") ? wfc_opt(c, "subject") : c->actor.actor);
    wf_json_set(claims, "roles", roles);
    wf_json_set_str(claims, "tenant_id", company ? wfc_id(company) : NULL);
    wf_json_set_int(claims, "iat", apr_time_sec(now));
    wf_json_set_int(claims, "exp", apr_time_sec(now + ttl));
    return WF_OK;
}

static wf_status_t run_token_new(wfc_t *c)
{
    wf_json_t *claims = wf_json_object_make(c->pool), *record = wf_json_object_make(c->pool);
    wf_role_t role = wf_role_parse(wfc_opt(c, "role"));
    wf_claims_t checked;
    wf_jwt_key_t *key;
    const char *text;
    wf_slice_t payload;
    apr_file_t *file;
    wf_status_t st;

    if (role == WF_ROLE_NONE) {
        return wfc_usage(c, "--role: leitura, operador, gestor, admin or platform_admin");
    }
    if ((st = token_claims(c, claims, role)) != WF_OK || (st = wfc_jwt_key(c, &key)) != WF_OK) {
        return st;
    }
    payload.data = wf_json_text(c->pool, claims, &payload.len);
    if ((st = wf_claims_read(c->ctx, &checked, payload)) != WF_OK ||
        (st = open_out(c, &file)) != WF_OK) {
        return st;
    }
    text = wf_jwt_sign(c->pool, key, payload.data, payload.len);
    wf_json_set_str(record, "role", wf_role_name(role));
    wf_json_set_str(record, "subject", checked.subject);
    wf_json_set_str(record, "expires_at", wf_time_format(c->pool, checked.expires_at));
    return hand_over(c, WF_OK, file, record, "token", text);
}

const wfc_command_t wfc_people_commands[] = {
    {"user add", "E-MAIL", 1, 1, user_add_options, WFC_STORE, run_user_add,
     "Lets somebody of a company use the management API",
     "Without --password, somebody who is in another company already is the same person here, with\n"
     "the same password; anybody else cannot log in before 'user password'."},
    {"user list", "", 0, 0, company_options, WFC_STORE, run_user_list,
     "Lists the people of a company", NULL},
    {"user show", "E-MAIL|ID", 1, 1, company_options, WFC_STORE, run_user_show, "Shows one of them",
     NULL},
    {"user set", "E-MAIL|ID", 1, 1, user_set_options, WFC_STORE, run_user_set,
     "Changes somebody's role, name, address or status", NULL},
    {"user password", "E-MAIL|ID", 1, 1, password_options, WFC_STORE, run_user_password,
     "Sets somebody's password; their log-ins end", NULL},
    {"user remove", "E-MAIL|ID", 1, 1, user_remove_options, WFC_STORE, run_user_remove,
     "Takes somebody out of a company", NULL},
    {"api-key new", "", 0, 0, key_new_options, WFC_STORE, run_key_new,
     "Makes an API key; it is shown this once",
     "A scope is read:<area> or write:<area>; writing does not include reading. 'wflowsctl routes'\n"
     "shows which route needs which. --scope all is every one."},
    {"api-key list", "", 0, 0, company_options, WFC_STORE, run_key_list,
     "Lists the API keys of a company", NULL},
    {"api-key revoke", "NAME|ID", 1, 1, key_revoke_options, WFC_STORE, run_key_revoke,
     "Revokes an API key at once", NULL},
    {"token new", "", 0, 0, token_options, WFC_STORE, run_token_new,
     "Makes a token (JWT) for the management API",
     "Signed with the first WflowsAuthJwtKey. It cannot be revoked by itself: make it short-lived."},
    WFC_COMMANDS_END};
