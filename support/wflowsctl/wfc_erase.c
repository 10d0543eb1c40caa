/* wflowsctl erase: a company and everything of it, for good (LGPD art. 18). */
#include "wfc.h"

#include "service/wf_erase.h"
#include "store/wf_erase_store.h"

#include <string.h>

#define REPORT_MAX 65536
#define LOOK_INTERVAL apr_time_from_msec(500)

static const wfc_option_t erase_options[] = {
    {"confirm", 0, WFC_TEXT, 1, "SLUG", "its slug once more: there is no way back"},
    {"wait", 0, WFC_FLAG, 0, NULL, "until it is done, which is httpd's work"},
    WFC_OPTION_END};
static const wfc_option_t report_options[] = {WFC_OPTION_OUT, WFC_OPTION_END};

static const wfc_column_t columns[] = {
    {"COMPANY", "/company_id", 0},       {"STEP", "/step", 0},
    {"REQUESTED", "/requested_at", 0},   {"ERASED", "/erased_at", 0},
    {"FINISHED", "/finished_at", 0},     {NULL, NULL, 0}};

static int is_done(const wf_json_t *erasure)
{
    return strcmp(wf_json_get_str(erasure, "step", ""), WF_ERASE_DONE) == 0;
}

/* By the id of a company that may be gone, or the slug of one that is not yet. */
static wf_status_t find(wfc_t *c, wf_json_t **out, const char *which)
{
    wf_json_t *company = NULL;
    wf_status_t st = WF_OK;

    if (!wf_uuid_is(which) && (st = wfc_company(c, &company, which)) == WF_OK) {
        which = wfc_id(company);
    }
    if (st == WF_OK) {
        st = wf_erasure_find(c->ctx, out, c->store, which);
    }
    if (st == WF_ENOTFOUND) {
        c->hint = "'wflowsctl erase list' shows those that were asked for. A company that is gone is named by its id.";
    }
    return st;
}

static wf_status_t wait_for(wfc_t *c, wf_json_t **erasure, const char *id)
{
    const char *step = "";
    wf_status_t st = WF_OK;

    while ((st = wf_erasure_find(c->ctx, erasure, c->store, id)) == WF_OK && !is_done(*erasure)) {
        if (strcmp(step, wf_json_get_str(*erasure, "step", "")) != 0) {
            step = wf_json_get_str(*erasure, "step", "");
            wfc_say(c, "%s …", step);
        }
        apr_sleep(LOOK_INTERVAL);
    }
    return st;
}

static wf_status_t run_erase(wfc_t *c)
{
    wf_json_t *erasure = NULL, *body = wf_json_object_make(c->pool);
    const char *id;
    wf_status_t st;

    wf_json_set_str(body, "confirm", wfc_opt(c, "confirm"));
    st = wf_erasure_request(c->ctx, &id, c->store, c->args[0], body, &c->actor);
    if (st == WF_OK) {
        st = wfc_flag(c, "wait") ? wait_for(c, &erasure, id)
                                 : wf_erasure_find(c->ctx, &erasure, c->store, id);
    }
    if (st == WF_OK) {
        wfc_print_done(c, erasure,
                       is_done(erasure) ? "company %s is erased: 'wflowsctl erase report %s'"
                                        : "company %s is being erased: 'wflowsctl erase show %s'",
                       c->args[0], id);
    }
    return st;
}

static wf_status_t run_list(wfc_t *c)
{
    wf_json_t *rows = NULL;
    wf_status_t st = wf_erasure_list(c->ctx, &rows, c->store);

    if (st == WF_OK) {
        wfc_print_list(c, rows, columns, "No company was ever erased.");
    }
    return st;
}

static wf_status_t run_show(wfc_t *c)
{
    wf_json_t *erasure = NULL;
    wf_status_t st = find(c, &erasure, c->args[0]);

    if (st == WF_OK) {
        wfc_print_record(c, erasure);
    }
    return st;
}

static wf_status_t run_report(wfc_t *c)
{
    wf_json_t *erasure = NULL, *document = wf_json_object_make(c->pool);
    const char *report, *out = wfc_opt(c, "out");
    wf_status_t st = find(c, &erasure, c->args[0]);

    if (st != WF_OK) {
        return st;
    }
    report = wf_json_get_str(erasure, "report", NULL);
    if (!report) {
        return wf_fail_public(c->ctx, WF_ECONFLICT, WFLOGNO(4120) "the erasure is not done yet: %s",
                              wf_json_get_str(erasure, "step", "-"));
    }
    if (out) {
        return wfc_write_file(c, out, apr_pstrcat(c->pool, report, "\n", NULL), 0);
    }
    wf_json_set_str(document, "report", report);
    wfc_print_text(c, document, apr_pstrcat(c->pool, report, "\n", NULL));
    return WF_OK;
}

static wf_status_t run_verify(wfc_t *c)
{
    const char *text;
    wf_json_t *said = NULL;
    char *report;
    size_t len;
    wf_status_t st = wfc_read_file(c, &text, &len, c->args[0], REPORT_MAX);

    if (st != WF_OK) {
        return st;
    }
    report = apr_pstrdup(c->pool, text);
    report[strcspn(report, " \t\r\n")] = '\0';
    st = wf_erase_report_read(c->ctx, &said, c->ring, report);
    if (st == WF_OK) {
        wfc_print_record(c, said);
    }
    return st;
}

const wfc_command_t wfc_erase_commands[] = {
    {"erase", "SLUG|ID", 1, 1, erase_options, WFC_STORE, run_erase,
     "Erases a company and everything of it, for good",
     "Its traffic ends at once. Then a job in httpd takes everything of it out of PostgreSQL, Redis and\n"
     "the folder of files, destroys its data keys, takes what is about people out of its audit rows,\n"
     "and signs a report of what was removed. It goes on by itself after a crash. A deleted company\n"
     "is named by its id."},
    {"erase list", "", 0, 0, NULL, WFC_STORE, run_list, "Shows the erasures that were asked for", NULL},
    {"erase show", "SLUG|ID", 1, 1, NULL, WFC_STORE, run_show,
     "Shows how far an erasure is: rows removed and left, by table", NULL},
    {"erase report", "SLUG|ID", 1, 1, report_options, WFC_STORE, run_report,
     "Prints the signed report of an erasure", NULL},
    {"erase verify", "FILE", 1, 1, NULL, WFC_NEEDS_CONF | WFC_NEEDS_RING, run_verify,
     "Tells whether this installation signed a report, and what it says",
     "FILE may be -. The master key that signed it must be configured: keep it as long as reports are to be proven."},
    WFC_COMMANDS_END};
