/* wflowsctl company: the tenants. */
#include "wfc.h"

#include <string.h>

#define PAGE 100

/* Option -> member of the record, for `add` and `set` alike. */
static const struct {
    const char *option, *member;
    int is_number;
} fields[] = {
    {"name", "name", 0},
    {"display-name", "display_name", 0},
    {"email", "email", 0},
    {"phone", "phone", 0},
    {"plan", "subscription_plan", 0},
    {"max-monthly-messages", "max_monthly_messages", 1},
    {"max-accounts", "max_whatsapp_accounts", 1},
    {"max-flows", "max_flows", 1},
};

#define COMPANY_OPTIONS                                                                 \
    {"display-name", 0, WFC_TEXT, 0, "NAME", "what people see (else the name)"},        \
        {"email", 0, WFC_TEXT, 0, "ADDRESS", "whom to write to"},                       \
        {"phone", 0, WFC_TEXT, 0, "NUMBER", "whom to call"},                            \
        {"plan", 0, WFC_TEXT, 0, "PLAN", "starter, pro or enterprise"},                 \
        {"settings", 0, WFC_TEXT, 0, "JSON|@FILE", "settings, a JSON object"},          \
        {"max-monthly-messages", 0, WFC_TEXT, 0, "N", "0: no limit (else the plan's)"}, \
        {"max-accounts", 0, WFC_TEXT, 0, "N", "0: no limit (else the plan's)"},         \
    {                                                                                   \
        "max-flows", 0, WFC_TEXT, 0, "N", "0: no limit (else the plan's)"               \
    }

static const wfc_option_t add_options[] = {
    {"name", 0, WFC_TEXT, 1, "NAME", "legal name"}, COMPANY_OPTIONS, WFC_OPTION_END};
static const wfc_option_t set_options[] = {
    {"name", 0, WFC_TEXT, 0, "NAME", "legal name"}, COMPANY_OPTIONS, WFC_OPTION_END};
static const wfc_option_t suspend_options[] = {
    {"reason", 0, WFC_TEXT, 0, "TEXT", "kept with the company and in the audit log"},
    WFC_OPTION_END};
static const wfc_option_t remove_options[] = {
    WFC_OPTION_YES("it stops all traffic of the company at once"), WFC_OPTION_END};

static const wfc_column_t columns[] = {
    {"SLUG", "/slug", 0},     {"NAME", "/name", 0}, {"PLAN", "/subscription_plan", 0},
    {"STATUS", "/status", 0}, {"ID", "/id", 0},     {NULL, NULL, 0}};

/* ---- add ------------------------------------------------------------------------------------- */

static wf_status_t new_from_options(wfc_t *c, wf_company_new_t *out)
{
    int64_t messages, accounts, flows;
    wf_json_t *settings = NULL;
    wf_status_t st;

    memset(out, 0, sizeof(*out));
    if ((st = wfc_int_opt(c, &messages, "max-monthly-messages", -1, 0, INT64_MAX / 2)) != WF_OK ||
        (st = wfc_int_opt(c, &accounts, "max-accounts", -1, 0, INT32_MAX)) != WF_OK ||
        (st = wfc_int_opt(c, &flows, "max-flows", -1, 0, INT32_MAX)) != WF_OK ||
        (st = wfc_object_opt(c, &settings, "settings")) != WF_OK) {
        return st;
    }
    out->slug = c->args[0];
    out->name = wfc_opt(c, "name");
    out->display_name = wfc_opt(c, "display-name");
    out->email = wfc_opt(c, "email");
    out->phone = wfc_opt(c, "phone");
    out->plan = wfc_opt(c, "plan") ? wfc_opt(c, "plan") : c->runtime->conf.default_plan;
    out->max_monthly_messages = messages;
    out->max_accounts = (int)accounts;
    out->max_flows = (int)flows;
    out->settings = settings ? wf_json_text(c->pool, settings, NULL) : NULL;
    return WF_OK;
}

static wf_status_t run_add(wfc_t *c)
{
    wf_company_new_t company;
    wf_json_t *record = NULL;
    const char *id = NULL;
    wf_status_t st = new_from_options(c, &company);

    if (st == WF_OK) {
        st = wf_company_create(c->ctx, &id, c->store, c->ring, &company,
                               c->runtime->conf.max_companies, &c->actor);
    }
    if (st == WF_OK) {
        st = wfc_company(c, &record, id);
    }
    if (st == WF_OK) {
        wfc_print_done(c, record, "company %s is there (%s, plan %s): %s", company.slug,
                       wf_json_get_str(record, "status", "-"),
                       wf_json_get_str(record, "subscription_plan", "-"), id);
    }
    return st;
}

/* ---- list, show ------------------------------------------------------------------------------ */

static wf_status_t run_list(wfc_t *c)
{
    wf_json_t *all = wf_json_array_make(c->pool), *page = NULL;
    const char *after = NULL;
    wf_status_t st;
    size_t i, n;

    do {
        st = wf_company_list(c->ctx, &page, c->store, after, PAGE);
        if (st != WF_OK) {
            return st;
        }
        n = wf_json_len(page);
        for (i = 0; i < n; i++) {
            wf_json_push(all, wf_json_at(page, i));
        }
        after = n ? wfc_id(wf_json_at(page, n - 1)) : NULL;
    } while (n == PAGE);
    wfc_print_list(c, all, columns, "There is no company yet: 'wflowsctl company add' makes one.");
    return WF_OK;
}

static wf_status_t run_show(wfc_t *c)
{
    wf_json_t *company = NULL;
    wf_status_t st = wfc_company(c, &company, c->args[0]);

    if (st == WF_OK) {
        wfc_print_record(c, company);
    }
    return st;
}

/* ---- changes --------------------------------------------------------------------------------- */

static wf_status_t change(wfc_t *c, const wf_json_t *change_set)
{
    wf_json_t *company = NULL;
    wf_status_t st = wfc_company(c, &company, c->args[0]);

    if (st == WF_OK) {
        st = wf_company_update(c->ctx, c->store, wfc_id(company), change_set, &c->actor);
    }
    if (st == WF_OK) {
        st = wfc_company(c, &company, wfc_id(company));
    }
    if (st == WF_OK) {
        wfc_print_done(c, company, "company %s is changed (%s)",
                       wf_json_get_str(company, "slug", "-"),
                       wf_json_get_str(company, "status", "-"));
    }
    return st;
}

/* An empty text takes a value away; so does the word "plan" where a number is the plan's by
 * default. */
static wf_status_t set_field(wfc_t *c, wf_json_t *set, size_t i)
{
    const char *text = wfc_opt(c, fields[i].option), *absent = fields[i].is_number ? "plan" : "";
    int64_t n;
    wf_status_t st = WF_OK;

    if (!text) {
        return WF_OK;
    }
    if (strcmp(text, absent) == 0) {
        wf_json_set(set, fields[i].member, wf_json_null_make(c->pool));
    } else if (fields[i].is_number) {
        st = wfc_int_opt(c, &n, fields[i].option, 0, 0, INT64_MAX / 2);
        wf_json_set_int(set, fields[i].member, n);
    } else {
        wf_json_set_str(set, fields[i].member, text);
    }
    return st;
}

static wf_status_t run_set(wfc_t *c)
{
    wf_json_t *set = wf_json_object_make(c->pool), *settings = NULL;
    wf_status_t st;
    size_t i;

    for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        st = set_field(c, set, i);
        if (st != WF_OK) {
            return st;
        }
    }
    st = wfc_object_opt(c, &settings, "settings");
    if (st != WF_OK) {
        return st;
    }
    wf_json_set(set, "settings", settings);
    if (wf_json_len(set) == 0) {
        return wfc_usage(c, "nothing to change: give at least one option");
    }
    return change(c, set);
}

static wf_status_t run_suspend(wfc_t *c)
{
    wf_json_t *set = wf_json_object_make(c->pool);

    wf_json_set_str(set, "status", WF_STATUS_SUSPENDED);
    wf_json_set_str(set, "suspension_reason", wfc_opt(c, "reason"));
    return change(c, set);
}

static wf_status_t run_activate(wfc_t *c)
{
    wf_json_t *set = wf_json_object_make(c->pool);

    wf_json_set_str(set, "status", WF_STATUS_ACTIVE);
    wf_json_set(set, "suspension_reason", wf_json_null_make(c->pool));
    return change(c, set);
}

static wf_status_t run_remove(wfc_t *c)
{
    wf_json_t *company = NULL;
    wf_status_t st;

    st = wfc_company(c, &company, c->args[0]);
    if (st == WF_OK) {
        st = wf_company_remove(c->ctx, c->store, wfc_id(company), &c->actor);
    }
    if (st == WF_OK) {
        wfc_print_done(c, company, "company %s is removed; its slug is free again",
                       wf_json_get_str(company, "slug", "-"));
    }
    return st;
}

const wfc_command_t wfc_company_commands[] = {
    {"company add", "SLUG", 1, 1, add_options, WFC_STORE_AND_RING, run_add,
     "Makes a company and its data key",
     "SLUG is the company's name in URLs: 3 to 63 (or one) of a-z, 0-9 and -, not at either end."},
    {"company list", "", 0, 0, NULL, WFC_STORE, run_list, "Lists the companies", NULL},
    {"company show", "SLUG|ID", 1, 1, NULL, WFC_STORE, run_show, "Shows a company", NULL},
    {"company set", "SLUG|ID", 1, 1, set_options, WFC_STORE, run_set, "Changes a company",
     "Settings are merged into those that are there (RFC 7396): a member that is null is taken "
     "out."},
    {"company suspend", "SLUG|ID", 1, 1, suspend_options, WFC_STORE, run_suspend,
     "Stops a company's traffic (403) and keeps everything", NULL},
    {"company activate", "SLUG|ID", 1, 1, NULL, WFC_STORE, run_activate,
     "Lets a company's traffic through again", NULL},
    {"company remove", "SLUG|ID", 1, 1, remove_options, WFC_STORE, run_remove,
     "Removes a company (kept in the database, marked as deleted)", NULL},
    WFC_COMMANDS_END};
