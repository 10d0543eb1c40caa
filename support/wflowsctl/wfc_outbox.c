/* wflowsctl outbox: what waits to be delivered, what became of one delivery, sending again. */
#include "wfc.h"

#include "store/wf_outbox_store.h"

#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

static const wfc_option_t list_options[] = {
    {"company", 'C', WFC_TEXT, 0, "SLUG|ID", "of this company only"},
    {"consumer", 0, WFC_TEXT, 0, "NAME", "callback, media or cache; else all"},
    WFC_OPTION_END};
static const wfc_option_t show_options[] = {
    {"payload", 0, WFC_FLAG, 0, NULL, "also what is sent, and what the receiver answered"},
    WFC_OPTION_END};
static const wfc_option_t replay_options[] = {
    {"company", 'C', WFC_TEXT, 0, "SLUG|ID", "of this company"},
    {"consumer", 0, WFC_TEXT, 0, "NAME", "callback (otherwise), media or cache"},
    {"status", 0, WFC_TEXT, 0, "STATUS", "dead (otherwise), done or pending; several with commas"},
    {"event-type", 0, WFC_TEXT, 0, "TYPE", "flow_completed, message.*, …"},
    {"since", 0, WFC_TEXT, 0, "TIME", "put in then or later: 2026-11-22T18:00:00Z, or 6h (ago)"},
    {"until", 0, WFC_TEXT, 0, "TIME", "put in before then; otherwise before now"},
    {"dry-run", 'n', WFC_FLAG, 0, NULL, "only say what would be sent again"},
    WFC_OPTION_END};

static const wfc_column_t summary_columns[] = {
    {"COMPANY", "/company", 0}, {"ACCOUNT", "/account", 0}, {"CONSUMER", "/consumer", 0},
    {"TARGET", "/target", 0},   {"HELD BY", "/held_by", 0}, {"DUE", "/due", 1},
    {"WAITING", "/waiting", 1}, {"LEASED", "/leased", 1},   {"DEAD", "/dead", 1},
    {"OLDEST", "/oldest_at", 0}, {NULL, NULL, 0}};
static const wfc_column_t attempt_columns[] = {
    {"ATTEMPT", "/attempt", 1}, {"STARTED", "/started_at", 0}, {"MS", "/duration_ms", 1},
    {"STATUS", "/status_code", 1}, {"ERROR", "/error", 0}, {NULL, NULL, 0}};
static const wfc_column_t match_columns[] = {
    {"ID", "/id", 0},          {"TYPE", "/event_type", 0}, {"STATUS", "/status", 0},
    {"ATTEMPTS", "/attempts", 1}, {"CREATED", "/created_at", 0}, {"ERROR", "/last_error", 0},
    {NULL, NULL, 0}};

/* ---- list ------------------------------------------------------------------------------------ */

static const char *const counted[] = {"due", "waiting", "leased", "dead"};
#define COUNTED (sizeof(counted) / sizeof(counted[0]))

/* All rows added up; the oldest is the least text, because times are in UTC and of one form. */
static wf_json_t *total_of(wfc_t *c, const wf_json_t *rows)
{
    wf_json_t *total = wf_json_object_make(c->pool);
    const char *oldest = NULL;
    int64_t n, depth = 0;
    size_t i, k;

    for (k = 0; k < COUNTED; k++) {
        for (i = 0, n = 0; i < wf_json_len(rows); i++) {
            n += wf_json_get_int(wf_json_at(rows, i), counted[k], 0);
        }
        wf_json_set_int(total, counted[k], n);
        depth += k < COUNTED - 1 ? n : 0;
    }
    for (i = 0; i < wf_json_len(rows); i++) {
        const char *at = wf_json_get_str(wf_json_at(rows, i), "oldest_at", NULL);

        oldest = at && (!oldest || strcmp(at, oldest) < 0) ? at : oldest;
    }
    wf_json_set_int(total, "depth", depth);
    wf_json_set(total, "oldest_at",
                oldest ? wf_json_str_make(c->pool, oldest) : wf_json_null_make(c->pool));
    return total;
}

static wf_status_t run_list(wfc_t *c)
{
    wf_json_t *company = NULL, *rows = NULL, *total, *document;
    wf_status_t st = WF_OK;

    if (wfc_opt(c, "company")) {
        st = wfc_company(c, &company, wfc_opt(c, "company"));
    }
    if (st != WF_OK ||
        (st = wf_outbox_summary(c->ctx, &rows, c->store, company ? wfc_id(company) : NULL,
                                wfc_opt(c, "consumer"))) != WF_OK) {
        return st;
    }
    total = total_of(c, rows);
    if (c->json) {
        document = wf_json_object_make(c->pool);
        wf_json_set(document, "data", wf_json_copy(c->pool, rows));
        wf_json_set(document, "total", total);
        wfc_print_json(c, document);
        return WF_OK;
    }
    wfc_print_list(c, rows, summary_columns, "Nothing waits, and nothing was given up.");
    wfc_say(c, "%s to deliver, %s given up; the oldest is of %s",
            wfc_cell(c->pool, wf_json_get(total, "depth")),
            wfc_cell(c->pool, wf_json_get(total, "dead")),
            wfc_cell(c->pool, wf_json_get(total, "oldest_at")));
    return WF_OK;
}

/* ---- show ------------------------------------------------------------------------------------ */

#define CALLBACK_ID "msg_" /* in front of the id in webhook-id */

static const char *id_of(const char *word)
{
    size_t skip = strlen(CALLBACK_ID);

    return strncmp(word, CALLBACK_ID, skip) == 0 ? word + skip : word;
}

static wf_status_t find(wfc_t *c, wf_json_t **out, int with_bodies)
{
    wf_status_t st = wf_outbox_document(c->ctx, out, c->store, NULL, id_of(c->args[0]), with_bodies);

    if (st == WF_ENOTFOUND) {
        wf_ctx_clear(c->ctx);
        c->hint = "'wflowsctl outbox replay --company SLUG --dry-run' shows ids of those that were "
                  "given up.\nFinished deliveries are kept for some days only.";
        return wf_fail_public(c->ctx, WF_ENOTFOUND, WFLOGNO(4090) "there is no delivery '%s'",
                              c->args[0]);
    }
    return st;
}

/* A row's own members, then what belongs to it; for people without the attempts, which are a table. */
static wf_json_t *flat(wfc_t *c, const wf_json_t *found)
{
    static const char *const more[] = {"company", "account", "held_by"};
    wf_json_t *record = wf_json_object_copy(c->pool, wf_json_get(found, "delivery"));
    size_t i;

    for (i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
        wf_json_set(record, more[i], wf_json_copy(c->pool, wf_json_get(found, more[i])));
    }
    if (wfc_flag(c, "payload")) {
        wf_json_set(record, "payload", wf_json_copy(c->pool, wf_json_get(found, "payload")));
    }
    return record;
}

static void print_responses(wfc_t *c, const wf_json_t *attempts)
{
    wf_json_t *answers = wf_json_object_make(c->pool);
    size_t i;

    for (i = 0; i < wf_json_len(attempts); i++) {
        const wf_json_t *attempt = wf_json_at(attempts, i);
        const char *coded = wf_json_get_str(attempt, "response_base64", NULL);

        wf_json_set_str(answers,
                        apr_psprintf(c->pool, "answer %d", (int)wf_json_get_int(attempt, "attempt", 0)),
                        coded ? coded : wf_json_get_str(attempt, "response", "-"));
    }
    wfc_print_record(c, answers);
}

static wf_status_t run_show(wfc_t *c)
{
    wf_json_t *found = NULL, *record, *attempts;
    wf_status_t st = find(c, &found, wfc_flag(c, "payload"));

    if (st != WF_OK) {
        return st;
    }
    record = flat(c, found);
    attempts = wf_json_copy(c->pool, wf_json_get(found, "attempts"));
    if (c->json) {
        wf_json_set_int(record, "attempts", (int64_t)wf_json_len(attempts));
        wf_json_set(record, "attempt_list", attempts);
        wfc_print_json(c, record);
        return WF_OK;
    }
    wfc_print_record(c, record);
    fflush(stdout);
    wfc_print_list(c, attempts, attempt_columns, "No attempt has been made.");
    if (wfc_flag(c, "payload")) {
        print_responses(c, attempts);
    }
    return WF_OK;
}

/* ---- replay ---------------------------------------------------------------------------------- */

static int is_word_of(const char *word, const char *words)
{
    size_t len = strlen(word);
    const char *at;

    for (at = words; len > 0 && (at = strstr(at, word)) != NULL; at += len) {
        if ((at == words || at[-1] == ' ') && (at[len] == ' ' || !at[len])) {
            return 1;
        }
    }
    return 0;
}

static wf_status_t read_statuses(wfc_t *c, wf_outbox_filter_t *filter)
{
    const char *text = wfc_opt(c, "status");
    apr_array_header_t *list = apr_array_make(c->pool, 3, sizeof(const char *));
    char *rest = apr_pstrdup(c->pool, text ? text : "dead"), *word, *state = NULL;

    while ((word = apr_strtok(rest, ",", &state)) != NULL) {
        rest = NULL;
        if (!is_word_of(word, WF_OUTBOX_STATUSES)) {
            return wfc_usage(c, "--status: '%s' is none of: %s", word, WF_OUTBOX_STATUSES);
        }
        APR_ARRAY_PUSH(list, const char *) = word;
    }
    if (list->nelts == 0) {
        return wfc_usage(c, "--status: none is named");
    }
    filter->statuses = (const char *const *)list->elts;
    filter->status_count = list->nelts;
    return WF_OK;
}

static wf_status_t read_filter(wfc_t *c, wf_outbox_filter_t *filter)
{
    apr_time_t now = wf_now(c->ctx);
    wf_status_t st;

    memset(filter, 0, sizeof(*filter));
    filter->consumer = wfc_opt(c, "consumer") ? wfc_opt(c, "consumer") : WF_OUTBOX_CALLBACK;
    if (!is_word_of(filter->consumer, WF_OUTBOX_CALLBACK " " WF_OUTBOX_MEDIA " " WF_OUTBOX_CACHE)) {
        return wfc_usage(c, "--consumer: '%s' is none of: callback, media, cache", filter->consumer);
    }
    filter->event_type = wfc_opt(c, "event-type");
    if ((st = wfc_time_opt(c, &filter->since, "since", now, 0)) != WF_OK ||
        (st = wfc_time_opt(c, &filter->until, "until", now, now)) != WF_OK) {
        return st;
    }
    if (filter->since >= filter->until) {
        return wfc_usage(c, "--since is not before --until: nothing can match");
    }
    return read_statuses(c, filter);
}

static wf_status_t replay_one(wfc_t *c)
{
    static const char *const filters[] = {"company", "consumer", "status", "event-type", "since", "until"};
    wf_json_t *found = NULL, *record;
    wf_status_t st;
    size_t i;

    for (i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
        if (wfc_opt(c, filters[i])) {
            return wfc_usage(c, "--%s chooses many: leave it out where an ID is named", filters[i]);
        }
    }
    if ((st = find(c, &found, 0)) != WF_OK) {
        return st;
    }
    record = flat(c, found);
    if (wfc_flag(c, "dry-run")) {
        wfc_print_done(c, record, "delivery %s (%s) would be sent again", wfc_id(record),
                       wf_json_get_str(record, "status", "-"));
        return WF_OK;
    }
    st = wf_outbox_replay_one(c->ctx, c->store, wf_json_get_str(record, "company_id", ""),
                              wfc_id(record), &c->actor);
    if (st == WF_OK && (st = find(c, &found, 0)) == WF_OK) {
        record = flat(c, found);
        wfc_print_done(c, record, "delivery %s is sent again%s%s", wfc_id(record),
                       wf_json_get_str(record, "held_by", NULL) ? ", but held: " : "",
                       wf_json_get_str(record, "held_by", ""));
    }
    return st;
}

static void print_replayed(wfc_t *c, const wf_outbox_replayed_t *done, int dry_run)
{
    wf_json_t *document = wf_json_object_make(c->pool);

    if (c->json) {
        wf_json_set_bool(document, "dry_run", dry_run);
        wf_json_set_int(document, "matched", done->matched);
        wf_json_set_int(document, "replayed", done->replayed);
        wf_json_set(document, "first", wf_json_copy(c->pool, done->first));
        wfc_print_json(c, document);
        return;
    }
    if (!dry_run) {
        wfc_say(c, "%" APR_INT64_T_FMT " matched, %" APR_INT64_T_FMT " are sent again",
                (apr_int64_t)done->matched, (apr_int64_t)done->replayed);
        return;
    }
    wfc_print_list(c, done->first, match_columns, "Nothing matches.");
    fflush(stdout);
    wfc_say(c, "%" APR_INT64_T_FMT " would be sent again", (apr_int64_t)done->matched);
}

static wf_status_t run_replay(wfc_t *c)
{
    int dry_run = wfc_flag(c, "dry-run");
    wf_json_t *company = NULL;
    wf_outbox_filter_t filter;
    wf_outbox_replayed_t done;
    wf_status_t st;

    if (c->arg_count > 0) {
        return replay_one(c);
    }
    if (!wfc_opt(c, "company")) {
        return wfc_usage(c, "name an ID, or a --company");
    }
    if ((st = read_filter(c, &filter)) != WF_OK ||
        (st = wfc_company(c, &company, wfc_opt(c, "company"))) != WF_OK) {
        return st;
    }
    st = wf_outbox_replay_matching(c->ctx, &done, c->store, wfc_id(company), &filter, dry_run,
                                   &c->actor);
    if (st == WF_OK) {
        print_replayed(c, &done, dry_run);
    } else if (done.replayed > 0) {
        wfc_say(c, "%" APR_INT64_T_FMT " are sent again, then:", (apr_int64_t)done.replayed);
    }
    return st;
}

const wfc_command_t wfc_outbox_commands[] = {
    {"outbox list", "", 0, 0, list_options, WFC_STORE, run_list,
     "Shows what waits to be delivered or was given up",
     "By company and endpoint (the account). DUE could go now, WAITING has its next attempt later,\n"
     "LEASED is with a worker, DEAD was given up. HELD BY says why nothing goes however due it is:\n"
     "the company or account is not active, or its receiver answered 410 (a new --callback-url or\n"
     "--callback-secret of 'account set' ends that)."},
    {"outbox show", "ID", 1, 1, show_options, WFC_STORE, run_show,
     "Shows a delivery and its attempts",
     "ID is what receivers get as webhook-id, with or without its msg_. What is sent, and what the receiver answered, holds\n"
     "what people wrote: it is shown with --payload only."},
    {"outbox replay", "[ID]", 0, 1, replay_options, WFC_STORE, run_replay,
     "Sends a delivery again, or many of a company",
     "Due at once, with the whole schedule of retries before it. The webhook-id stays the same, so\n"
     "a receiver that keeps the ids it has seen drops what it has already: good after an outage, no\n"
     "way to make it take something twice. Of many, those that were given up are meant unless\n"
     "--status says otherwise; --dry-run counts them and shows the first 50. Every batch of up to\n"
     "500 writes an audit row (outbox.replayed)."},
    WFC_COMMANDS_END};
