/* wflowsctl account: the WhatsApp numbers of a company. */
#include "wfc.h"

#include <string.h>

#define OVERLAP_DEFAULT apr_time_from_sec(24 * 3600)

typedef enum { FIELD_TEXT, FIELD_LIST, FIELD_SECRET, FIELD_MS } field_kind_t;

/* Option -> member of the record. */
static const struct {
    const char *option, *member;
    field_kind_t kind;
} fields[] = {
    {"name", "name", FIELD_TEXT},
    {"phone-number", "phone_number", FIELD_TEXT},
    {"display-name", "display_name", FIELD_TEXT},
    {"phone-number-id", "phone_number_id", FIELD_TEXT},
    {"waba-id", "waba_id", FIELD_TEXT},
    {"status", "status", FIELD_TEXT},
    {"default-flow", "default_flow_name", FIELD_TEXT},
    {"callback-url", "callback_webhook_url", FIELD_TEXT},
    {"callback-events", "callback_event_types", FIELD_LIST},
    {"flow-timeout", "flow_endpoint_timeout", FIELD_MS},
    {"app-secret", "app_secret", FIELD_SECRET},
    {"access-token", "access_token", FIELD_SECRET},
    {"verify-token", "verify_token", FIELD_SECRET},
    {"callback-secret", "callback_secret", FIELD_SECRET},
};

#define ACCOUNT_OPTIONS                                                                              \
    {"waba-id", 0, WFC_TEXT, 0, "N", "WhatsApp Business Account"},                                   \
        {"phone-number", 0, WFC_TEXT, 0, "+N", "the number itself"},                                 \
        {"display-name", 0, WFC_TEXT, 0, "NAME", "what people see"},                                 \
        {"status", 0, WFC_TEXT, 0, "STATUS", "active, inactive, pending_verification or suspended"}, \
        {"default-flow", 0, WFC_TEXT, 0, "NAME", "where the path names no flow"},                    \
        {"app-secret", 0, WFC_SECRET, 0, "SOURCE", "Meta app secret: signs requests"},               \
        {"verify-token", 0, WFC_SECRET, 0, "SOURCE", "of the webhook handshake"},                    \
        {"access-token", 0, WFC_SECRET, 0, "SOURCE", "for Meta's Graph API"},                        \
        {"callback-url", 0, WFC_TEXT, 0, "URL", "the company's own system"},                         \
        {"callback-secret", 0, WFC_SECRET, 0, "SOURCE", "signs what is sent there"},                 \
        {"callback-events", 0, WFC_TEXT, 0, "TYPES", "told of: a type, prefix.* or *, with commas"},    \
        {"rate-limit", 0, WFC_TEXT, 0, "N/WINDOW", "e.g. 600/60s, or off"},                          \
        {"flow-timeout", 0, WFC_TEXT, 0, "DURATION", "for the company's backend, else 2500ms"},      \
    {                                                                                                \
        "settings", 0, WFC_TEXT, 0, "JSON|@FILE", "settings, a JSON object"                          \
    }

static const wfc_option_t add_options[] = {
    WFC_OPTION_COMPANY,
    {"name", 0, WFC_TEXT, 1, "NAME", "how it is called here"},
    {"phone-number-id", 0, WFC_TEXT, 1, "N", "Meta's id of the number"},
    ACCOUNT_OPTIONS,
    {"default", 0, WFC_FLAG, 0, NULL, "becomes the default account (the first one is anyway)"},
    WFC_OPTION_END};
static const wfc_option_t set_options[] = {
    WFC_OPTION_COMPANY,
    {"name", 0, WFC_TEXT, 0, "NAME", "how it is called here"},
    {"phone-number-id", 0, WFC_TEXT, 0, "N", "Meta's id of the number"},
    ACCOUNT_OPTIONS,
    {"overlap", 0, WFC_TEXT, 0, "DURATION", "how long an old app secret still counts (24h)"},
    WFC_OPTION_END};
static const wfc_option_t company_options[] = {WFC_OPTION_COMPANY, WFC_OPTION_END};
static const wfc_option_t remove_options[] = {
    WFC_OPTION_COMPANY, WFC_OPTION_YES("it stops all traffic of the account at once"),
    WFC_OPTION_END};

static const wfc_column_t columns[] = {{"NAME", "/name", 0},
                                       {"PHONE NUMBER ID", "/phone_number_id", 0},
                                       {"NUMBER", "/phone_number", 0},
                                       {"DEFAULT", "/is_default", 0},
                                       {"STATUS", "/status", 0},
                                       {"KEY", "/has_private_key", 0},
                                       {"ID", "/id", 0},
                                       {NULL, NULL, 0}};

/* ---- add ------------------------------------------------------------------------------------- */

static wf_status_t read_secrets(wfc_t *c, wf_account_new_t *out)
{
    wf_status_t st;

    if ((st = wfc_secret_opt(c, &out->app_secret, "app-secret")) != WF_OK ||
        (st = wfc_secret_opt(c, &out->verify_token, "verify-token")) != WF_OK ||
        (st = wfc_secret_opt(c, &out->access_token, "access-token")) != WF_OK) {
        return st;
    }
    return wfc_secret_opt(c, &out->callback_secret, "callback-secret");
}

static wf_status_t new_from_options(wfc_t *c, wf_account_new_t *out)
{
    wf_json_t *settings = NULL;
    apr_interval_time_t timeout;
    wf_status_t st;

    memset(out, 0, sizeof(*out));
    out->rate_max = -1;
    if ((st = wfc_rate_opt(c, &out->rate_max, &out->rate_window_ms, "rate-limit")) != WF_OK ||
        (st = wfc_duration_opt(c, &timeout, "flow-timeout", 0)) != WF_OK ||
        (st = wfc_object_opt(c, &settings, "settings")) != WF_OK) {
        return st;
    }
    out->name = wfc_opt(c, "name");
    out->phone_number = wfc_opt(c, "phone-number");
    out->display_name = wfc_opt(c, "display-name");
    out->phone_number_id = wfc_opt(c, "phone-number-id");
    out->waba_id = wfc_opt(c, "waba-id");
    out->status = wfc_opt(c, "status");
    out->default_flow_name = wfc_opt(c, "default-flow");
    out->is_default = wfc_flag(c, "default");
    out->callback_webhook_url = wfc_opt(c, "callback-url");
    out->callback_event_types = wfc_opt(c, "callback-events");
    out->flow_endpoint_timeout_ms = (int)apr_time_as_msec(
        timeout > apr_time_from_sec(3600) ? apr_time_from_sec(3600) : timeout);
    out->settings = settings ? wf_json_text(c->pool, settings, NULL) : NULL;
    return read_secrets(c, out);
}

static wf_status_t run_add(wfc_t *c)
{
    wf_account_new_t account;
    wf_json_t *company = NULL, *record = NULL;
    const char *id = NULL;
    wf_status_t st;

    if ((st = new_from_options(c, &account)) != WF_OK ||
        (st = wfc_company(c, &company, wfc_opt(c, "company"))) != WF_OK ||
        (st = wf_account_create(c->ctx, &id, c->store, c->ring, wfc_id(company), &account,
                                c->runtime->conf.max_accounts, &c->actor)) != WF_OK ||
        (st = wfc_account(c, &record, company, id)) != WF_OK) {
        return st;
    }
    wfc_print_done(c, record, "account %s of %s is there%s: %s", account.name,
                   wf_json_get_str(company, "slug", "-"),
                   wf_json_get_bool(record, "is_default", 0) ? " and the default" : "", id);
    if (!account.app_secret) {
        wfc_say(c,
                "Every request to it is refused (432) until 'wflowsctl account set %s --company %s "
                "--app-secret SOURCE'.",
                account.name, wf_json_get_str(company, "slug", "-"));
    }
    return WF_OK;
}

/* ---- list, show ------------------------------------------------------------------------------ */

static wf_status_t run_list(wfc_t *c)
{
    return wfc_print_list_of(c, wf_account_list, columns,
                             "There is no account yet: 'wflowsctl account add' makes one.");
}

/* The account that the first argument names. */
static wf_status_t find(wfc_t *c, wf_json_t **company, wf_json_t **account)
{
    wf_status_t st = wfc_company(c, company, wfc_opt(c, "company"));

    return st == WF_OK ? wfc_account(c, account, *company, c->args[0]) : st;
}

static wf_status_t run_show(wfc_t *c)
{
    wf_json_t *company = NULL, *account = NULL;
    wf_status_t st = find(c, &company, &account);

    if (st == WF_OK) {
        wfc_print_record(c, account);
    }
    return st;
}

/* ---- changes --------------------------------------------------------------------------------- */

static wf_status_t add_field(wfc_t *c, wf_json_t *set, size_t i)
{
    const char *text = NULL;
    apr_interval_time_t duration;
    wf_status_t st = WF_OK;

    switch (fields[i].kind) {
    case FIELD_TEXT:
        text = wfc_opt(c, fields[i].option);
        wf_json_set(set, fields[i].member,
                    !text   ? NULL
                    : *text ? wf_json_str_make(c->pool, text)
                            : wf_json_null_make(c->pool));
        break;
    case FIELD_LIST:
        if (wfc_opt(c, fields[i].option)) {
            wf_json_set(set, fields[i].member, wf_account_event_types(c->pool, wfc_opt(c, fields[i].option)));
        }
        break;
    case FIELD_SECRET:
        st = wfc_secret_opt(c, &text, fields[i].option);
        wf_json_set_str(set, fields[i].member, text);
        break;
    case FIELD_MS:
        if (wfc_opt(c, fields[i].option)) {
            st = wfc_duration_opt(c, &duration, fields[i].option, 0);
            wf_json_set_int(set, fields[i].member, apr_time_as_msec(duration));
        }
        break;
    }
    return st;
}

static wf_status_t change_from_options(wfc_t *c, wf_json_t *set)
{
    int64_t max = -1, window_ms = 0;
    wf_json_t *settings = NULL;
    wf_status_t st = WF_OK;
    size_t i;

    for (i = 0; st == WF_OK && i < sizeof(fields) / sizeof(fields[0]); i++) {
        st = add_field(c, set, i);
    }
    if (st != WF_OK || (st = wfc_rate_opt(c, &max, &window_ms, "rate-limit")) != WF_OK ||
        (st = wfc_object_opt(c, &settings, "settings")) != WF_OK) {
        return st;
    }
    if (max >= 0) {
        wf_json_set_int(set, "rate_limit_max_requests", max);
    }
    if (window_ms > 0) {
        wf_json_set_int(set, "rate_limit_window_ms", window_ms);
    }
    wf_json_set(set, "settings", settings);
    return wf_json_len(set) ? WF_OK : wfc_usage(c, "nothing to change: give at least one option");
}

static wf_status_t run_set(wfc_t *c)
{
    wf_json_t *set = wf_json_object_make(c->pool), *company = NULL, *account = NULL;
    apr_interval_time_t overlap;
    wf_status_t st;

    if ((st = wfc_duration_opt(c, &overlap, "overlap", OVERLAP_DEFAULT)) != WF_OK ||
        (st = change_from_options(c, set)) != WF_OK ||
        (st = find(c, &company, &account)) != WF_OK ||
        (st = wf_account_update(c->ctx, c->store, c->ring, wfc_id(company), wfc_id(account), set,
                                overlap, &c->actor)) != WF_OK ||
        (st = wfc_account(c, &account, company, wfc_id(account))) != WF_OK) {
        return st;
    }
    wfc_print_done(c, account, "account %s of %s is changed", wf_json_get_str(account, "name", "-"),
                   wf_json_get_str(company, "slug", "-"));
    return WF_OK;
}

static wf_status_t run_set_default(wfc_t *c)
{
    wf_json_t *company = NULL, *account = NULL;
    wf_status_t st = find(c, &company, &account);

    if (st == WF_OK) {
        st = wf_account_set_default(c->ctx, c->store, wfc_id(company), wfc_id(account), &c->actor);
    }
    if (st == WF_OK) {
        st = wfc_account(c, &account, company, wfc_id(account));
    }
    if (st == WF_OK) {
        wfc_print_done(c, account, "account %s is the default of %s now",
                       wf_json_get_str(account, "name", "-"),
                       wf_json_get_str(company, "slug", "-"));
    }
    return st;
}

static wf_status_t run_remove(wfc_t *c)
{
    wf_json_t *company = NULL, *account = NULL;
    wf_status_t st;

    st = find(c, &company, &account);
    if (st == WF_OK) {
        st = wf_account_remove(c->ctx, c->store, wfc_id(company), wfc_id(account), &c->actor);
    }
    if (st == WF_OK) {
        wfc_print_done(c, account, "account %s of %s is removed",
                       wf_json_get_str(account, "name", "-"),
                       wf_json_get_str(company, "slug", "-"));
    }
    return st;
}

const wfc_command_t wfc_account_commands[] = {
    {"account add", "", 0, 0, add_options, WFC_STORE_AND_RING, run_add, "Adds a WhatsApp number",
     "After it: 'wflowsctl key new' makes its RSA key."},
    {"account list", "", 0, 0, company_options, WFC_STORE, run_list, "Lists a company's accounts",
     NULL},
    {"account show", "ACCOUNT", 1, 1, company_options, WFC_STORE, run_show, "Shows an account",
     "ACCOUNT is a name, a phone_number_id or an id. Secrets are never shown, only that they are "
     "there."},
    {"account set", "ACCOUNT", 1, 1, set_options, WFC_STORE_AND_RING, run_set, "Changes an account",
     "With a new --app-secret the old one still counts for --overlap, so that nothing is refused "
     "while\n"
     "Meta switches. Settings are merged into those that are there (RFC 7396). An empty text\n"
     "takes a value away."},
    {"account set-default", "ACCOUNT", 1, 1, company_options, WFC_STORE, run_set_default,
     "Makes it the account of requests that name none", NULL},
    {"account remove", "ACCOUNT", 1, 1, remove_options, WFC_STORE, run_remove,
     "Removes an account (kept in the database, marked as deleted)", NULL},
    WFC_COMMANDS_END};
