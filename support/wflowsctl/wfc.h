/* wflowsctl: the operator's command. One file per noun (wfc_<noun>.c), each with its table of
 * commands; wflowsctl.c lists the tables. Everything is done through lib/: no httpd, no SQL, no
 * Redis keys here. */
#ifndef WFC_H
#define WFC_H

#include "runtime/wf_runtime.h"

#include <apr_file_io.h>

/* ---- exit codes: documented in docs/WFLOWSCTL.md and `wflowsctl help` ------------------------ */

typedef enum {
    WFC_EXIT_OK = 0,
    WFC_EXIT_FAILED = 1, /* it ran, and what it checked or sent is not good */
    WFC_EXIT_USAGE = 2,  /* wrong words on the command line */
    WFC_EXIT_CONFIG = 3, /* the configuration lacks something or cannot be read */
    WFC_EXIT_NOTFOUND = 4,
    WFC_EXIT_INVALID = 5, /* a value that was given is refused */
    WFC_EXIT_CONFLICT = 6,
    WFC_EXIT_DENIED = 7,
    WFC_EXIT_LIMIT = 8,
    WFC_EXIT_UNAVAILABLE = 9, /* PostgreSQL, Redis or the target of `send` does not answer */
    WFC_EXIT_INTERNAL = 10
} wfc_exit_t;

/* ---- commands -------------------------------------------------------------------------------- */

typedef struct wfc_t wfc_t;

typedef enum {
    WFC_TEXT,
    WFC_FLAG,
    WFC_SECRET, /* a SOURCE; a value that is none is refused, so that no secret stands in `ps` */
    WFC_MANY    /* text that may be given several times */
} wfc_kind_t;

typedef struct {
    const char *name; /* without the dashes */
    char letter;      /* 0: none */
    wfc_kind_t kind;
    int required;
    const char *value; /* how help shows the value */
    const char *help;
} wfc_option_t;

/* Options that many commands have. */
#define WFC_OPTION_COMPANY                                    \
    {                                                         \
        "company", 'C', WFC_TEXT, 1, "SLUG|ID", "the company" \
    }
#define WFC_OPTION_ACCOUNT                                                                       \
    {                                                                                            \
        "account", 'a', WFC_TEXT, 0, "ACCOUNT", "name, phone_number_id or id (else the default)" \
    }
#define WFC_OPTION_OUT                                                            \
    {                                                                             \
        "out", 'o', WFC_TEXT, 0, "FILE", "write it there, not to standard output" \
    }
/* For what cannot be taken back: `why` is said when it was left out. */
#define WFC_OPTION_YES(why)                \
    {                                      \
        "yes", 'y', WFC_FLAG, 1, NULL, why \
    }
#define WFC_OPTION_END                   \
    {                                    \
        NULL, 0, WFC_TEXT, 0, NULL, NULL \
    }

/* What must be there before a command runs. */
#define WFC_NEEDS_CONF 1u  /* the configuration, read */
#define WFC_NEEDS_STORE 2u /* and the runtime's pools; no connection is made by this alone */
#define WFC_NEEDS_RING 4u  /* and the master keys */
#define WFC_STORE (WFC_NEEDS_CONF | WFC_NEEDS_STORE)
#define WFC_STORE_AND_RING (WFC_STORE | WFC_NEEDS_RING)

#define WFC_COMMANDS_END                            \
    {                                               \
        NULL, NULL, 0, 0, NULL, 0, NULL, NULL, NULL \
    }

typedef struct {
    const char *name; /* "company add"; the end of a table: NULL */
    const char *args; /* as help shows them */
    int args_min, args_max;
    const wfc_option_t *options; /* ended by a NULL name; NULL: none */
    unsigned needs;
    wf_status_t (*run)(wfc_t *c);
    const char *summary; /* one line */
    const char *more;    /* paragraphs for `help COMMAND`; NULL: none */
} wfc_command_t;

/* The tables, one per noun. */
extern const wfc_command_t wfc_account_commands[];
extern const wfc_command_t wfc_audit_commands[];
extern const wfc_command_t wfc_company_commands[];
extern const wfc_command_t wfc_doctor_commands[];
extern const wfc_command_t wfc_erase_commands[];
extern const wfc_command_t wfc_flow_commands[];
extern const wfc_command_t wfc_help_commands[];
extern const wfc_command_t wfc_key_commands[];
extern const wfc_command_t wfc_master_key_commands[];
extern const wfc_command_t wfc_media_commands[];
extern const wfc_command_t wfc_migrate_commands[];
extern const wfc_command_t wfc_outbox_commands[];
extern const wfc_command_t wfc_people_commands[];
extern const wfc_command_t wfc_routes_commands[];
extern const wfc_command_t wfc_send_commands[];

/* ---- configuration (wfc_conf.c) -------------------------------------------------------------- */

typedef struct {
    const char *id;
    const char *source;
    const char *where; /* "file:line" or "--master-key", for messages */
} wfc_master_source_t;

/* Directives of httpd's own configuration, so that there is one truth; command line first. */
typedef struct {
    const char *file; /* that was read; NULL: none */
    const char *db;   /* <source>, as is every member up to redis */
    const char *db_owner;
    const char *redis;
    const char *redis_prefix;
    const char *max_companies, *max_accounts, *default_plan;
    const char *media_dir;
    const char *graph_url;
    apr_array_header_t *master_keys; /* of wfc_master_source_t; the first is the primary */
    wfc_master_source_t jwt_key;     /* WflowsAuthJwtKey, the first; id NULL: none */
    const char *pattern_skipped; /* an Include that names a pattern, which is not followed; NULL */
} wfc_conf_t;

wf_status_t wfc_conf_read(wfc_t *c) WF_MUST_CHECK;
/* What a `<source>` that may be a plain connection string holds. `what` is for messages. */
wf_status_t wfc_conf_source(wfc_t *c, const char **text, const char *source,
                            const char *what) WF_MUST_CHECK;
/* The folder with the files that users sent. */
wf_status_t wfc_conf_media_dir(wfc_t *c, const char **dir) WF_MUST_CHECK;
/* The key that tokens are signed with. */
wf_status_t wfc_jwt_key(wfc_t *c, wf_jwt_key_t **out) WF_MUST_CHECK;
wf_status_t wfc_ring_open(wfc_t *c, const wf_keyring_t **out) WF_MUST_CHECK;
/* Sets c->runtime and c->store. c->ring may be NULL. */
wf_status_t wfc_runtime_open(wfc_t *c) WF_MUST_CHECK;
/* A connection as the owner of the schema, for migrations. */
wf_status_t wfc_owner_open(wfc_t *c, wf_pg_t **pg) WF_MUST_CHECK;
/* Where the migrations are: --schema, else $WFLOWS_SCHEMA, else where they were installed. */
const char *wfc_schema_folder(const wfc_t *c);

/* ---- one run of the command ------------------------------------------------------------------ */

struct wfc_t {
    apr_pool_t *pool;
    wf_ctx_t *ctx;
    const wfc_command_t *const *tables; /* ended by NULL */
    const wfc_command_t *command;       /* NULL until known */
    apr_table_t *options;               /* name -> value; a flag's value is "" */
    const char **args;                  /* positionals after the command */
    int arg_count;
    int json, verbose, help;
    int stdin_taken; /* standard input was read: it can be only once */
    wfc_conf_t conf;
    wf_runtime_t *runtime;
    const wf_store_t *store;
    const wf_keyring_t *ring;
    wf_actor_t actor;
    wfc_exit_t exit_code;  /* set by who knows better than the status */
    const char *hint;      /* what to do about the failure; NULL: nothing to add */
    int document_printed;  /* --json: exactly one document comes out */
    const char *held_note; /* last warning of the library, not yet printed */
};

/* ---- command line (wfc_args.c) --------------------------------------------------------------- */

/* Fills command, options, args and the flags. WF_EINVALID: wrong usage, said in ctx->err. */
wf_status_t wfc_args_parse(wfc_t *c, int argc, const char *const *argv) WF_MUST_CHECK;
/* The option's value, or NULL where it was not given. */
const char *wfc_opt(const wfc_t *c, const char *name);
int wfc_flag(const wfc_t *c, const char *name);
/* Wrong usage: the message, then how to get help; exit code 2. */
wf_status_t wfc_usage(wfc_t *c, const char *fmt, ...) WF_PRINTF(2, 3) WF_MUST_CHECK;
const wfc_command_t *wfc_command_find(const wfc_t *c, const char *name);
/* 1 if some command begins with this noun. */
int wfc_is_noun(const wfc_t *c, const char *noun);
extern const wfc_option_t wfc_global_options[];
/* Help on the command, or on everything (wfc_help.c). */
void wfc_help(wfc_t *c);

/* ---- values (wfc_input.c) -------------------------------------------------------------------- */

/* A file, or standard input for "-"; at most `max` bytes. NUL-terminated. */
wf_status_t wfc_read_file(wfc_t *c, const char **data, size_t *len, const char *path,
                          size_t max) WF_MUST_CHECK;
/* A SOURCE, or - for standard input; without white space at its end, never empty. `what` is for
 * messages. */
wf_status_t wfc_source_read(wfc_t *c, const char **text, const char *what, const char *source,
                            int inline_ok) WF_MUST_CHECK;
/* The secret that a WFC_SECRET option names; *text stays NULL where the option was not given. */
wf_status_t wfc_secret_opt(wfc_t *c, const char **text, const char *option) WF_MUST_CHECK;
/* 1 if a connection string (libpq's, or a URL) holds one. */
int wfc_has_password(const char *connection);
/* A secret goes into a new file (mode 0600; one that is there already is never overwritten),
 * anything else may replace a file. */
wf_status_t wfc_file_create(wfc_t *c, apr_file_t **out, const char *path, int secret) WF_MUST_CHECK;
wf_status_t wfc_write_file(wfc_t *c, const char *path, const char *text, int secret) WF_MUST_CHECK;
/* Writes a text into a file that wfc_file_create has made, and closes it. */
wf_status_t wfc_file_finish(wfc_t *c, apr_file_t *file, const char *path,
                            const char *text) WF_MUST_CHECK;
/* 250ms, 5s, 10m, 24h, 7d. WF_EINVALID names the option. */
wf_status_t wfc_duration_opt(wfc_t *c, apr_interval_time_t *out, const char *option,
                             apr_interval_time_t otherwise) WF_MUST_CHECK;
/* A time: 2026-11-22, 2026-11-22T18:00Z, 2026-11-22T18:00:00Z, or how long before `now` (6h). */
wf_status_t wfc_time_opt(wfc_t *c, apr_time_t *out, const char *option, apr_time_t now,
                         apr_time_t otherwise) WF_MUST_CHECK;
wf_status_t wfc_int_opt(wfc_t *c, int64_t *out, const char *option, int64_t otherwise, int64_t min,
                        int64_t max) WF_MUST_CHECK;
/* "600/60s" or "off" (max 0). Untouched where the option was not given. */
wf_status_t wfc_rate_opt(wfc_t *c, int64_t *max, int64_t *window_ms,
                         const char *option) WF_MUST_CHECK;
/* JSON object text of an option, parsed; *out stays NULL where it was not given. The text may be
 * "@FILE". */
wf_status_t wfc_object_opt(wfc_t *c, wf_json_t **out, const char *option) WF_MUST_CHECK;

/* ---- who and what (wfc_lookup.c) ------------------------------------------------------------- */

/* The company that --company names (or `which`); a miss is said with what to do. */
wf_status_t wfc_company(wfc_t *c, wf_json_t **out, const char *which) WF_MUST_CHECK;
/* The account named `which`, or the default one for NULL. */
wf_status_t wfc_account(wfc_t *c, wf_json_t **out, const wf_json_t *company,
                        const char *which) WF_MUST_CHECK;
wf_status_t wfc_flow(wfc_t *c, wf_json_t **out, const wf_json_t *company,
                     const char *which) WF_MUST_CHECK;
/* "id" of one of these records. */
const char *wfc_id(const wf_json_t *record);

/* ---- output (wfc_out.c) ---------------------------------------------------------------------- */

typedef struct {
    const char *title;
    const char *pointer; /* RFC 6901, into the row */
    int right;           /* right-aligned: numbers */
} wfc_column_t;

/* People: an aligned table; programs: {"data": [...]}. `none` is said where there is no row. */
void wfc_print_list(wfc_t *c, const wf_json_t *rows, const wfc_column_t *columns, const char *none);
/* The same of what `lister` finds of the company that --company names. */
typedef wf_status_t wfc_lister_fn(wf_ctx_t *ctx, wf_json_t **array, const wf_store_t *store,
                                  const char *company_id);
wf_status_t wfc_print_list_of(wfc_t *c, wfc_lister_fn *lister, const wfc_column_t *columns,
                              const char *none) WF_MUST_CHECK;
/* People: "name: value" lines, aligned; programs: the object. */
void wfc_print_record(wfc_t *c, const wf_json_t *record);
/* People: the sentence; programs: the object. */
void wfc_print_done(wfc_t *c, const wf_json_t *record, const char *fmt, ...) WF_PRINTF(3, 4);
/* People: the text as it stands; programs: the object. */
void wfc_print_text(wfc_t *c, const wf_json_t *record, const char *text);
/* Programs only. */
void wfc_print_json(wfc_t *c, const wf_json_t *document);
/* Progress and remarks, to standard error. */
void wfc_say(const wfc_t *c, const char *fmt, ...) WF_PRINTF(2, 3);
/* A value as people read it; control characters are shown as '?', so that a name in the database
 * cannot drive the terminal. */
const char *wfc_cell(apr_pool_t *pool, const wf_json_t *value);
/* The failure in ctx->err, for people and programs; returns the exit code. */
wfc_exit_t wfc_report(wfc_t *c, wf_status_t status);
/* Log sink of the library: warnings are shown, with -v everything. */
void wfc_log(wf_log_level_t level, const char *file, int line, const char *message, void *baton);

#endif
