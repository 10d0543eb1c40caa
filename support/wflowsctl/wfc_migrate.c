/* wflowsctl migrate: brings the database to this build's schema. */
#include "wfc.h"

#include <string.h>

static const wfc_option_t options[] = {
    {"schema", 0, WFC_TEXT, 0, "DIR",
     "the migrations (else $WFLOWS_SCHEMA, else " WF_DATADIR "/schema)"},
    {"dry-run", 'n', WFC_FLAG, 0, NULL, "only say what would be done"},
    WFC_OPTION_END};

static void say_file(const char *file, void *baton)
{
    wfc_say(baton, "applying %s", file);
}

static wf_json_t *report_json(wfc_t *c, const wf_migrate_report_t *report)
{
    wf_json_t *record = wf_json_object_make(c->pool);

    wf_json_set_int(record, "schema_version", report->version);
    wf_json_set_int(record, "schema_version_needed", WF_SCHEMA_VERSION_NEEDED);
    wf_json_set_int(record, "applied", report->applied);
    wf_json_set_int(record, "pending", report->pending);
    wf_json_set_str(record, "changed", report->changed);
    return record;
}

static wf_status_t run(wfc_t *c)
{
    const char *folder = wfc_schema_folder(c);
    int dry_run = wfc_flag(c, "dry-run");
    wf_migrate_report_t report;
    wf_pg_t *pg = NULL;
    wf_status_t st = wfc_owner_open(c, &pg);

    memset(&report, 0, sizeof(report));
    if (st == WF_OK) {
        st = dry_run ? wf_migrate_status(c->ctx, &report, pg, folder)
                     : wf_migrate(c->ctx, &report, pg, folder, say_file, c);
    }
    if (st != WF_OK) {
        return st;
    }
    if (report.changed) {
        c->exit_code = WFC_EXIT_FAILED;
        wfc_say(c,
                "%s was changed after it had been applied: put the applied text back, and write "
                "the change "
                "as a new file.",
                report.changed);
    }
    if (dry_run) {
        wfc_print_done(c, report_json(c, &report),
                       "the database has schema version %d, %d migration%s to apply",
                       report.version, report.pending, report.pending == 1 ? "" : "s");
    } else {
        wfc_print_done(c, report_json(c, &report),
                       "the database has schema version %d, %d migration%s applied", report.version,
                       report.applied, report.applied == 1 ? "" : "s");
    }
    return WF_OK;
}

const wfc_command_t wfc_migrate_commands[] = {
    {"migrate", "", 0, 0, options, WFC_NEEDS_CONF, run,
     "Brings the database to this build's schema",
     "Connects as the owner of the schema (WflowsDBOwner or --db-owner), never as the runtime "
     "role. May run\n"
     "any number of times, and beside running servers."},
    WFC_COMMANDS_END};
