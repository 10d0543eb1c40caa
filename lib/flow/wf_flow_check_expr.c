/* Expressions of Flow JSON: `...`, If.condition, and the undocumented ${ a == b }. Lexer, parser
 * and types in one pass; what a path means is asked of the host. Rule 50.
 *
 *   expr   = or [ "?" expr ":" expr ]                    the last part: braced form only
 *   or     = and { "||" and }
 *   and    = cmp { "&&" cmp }
 *   cmp    = sum [ ("==" | "!=" | "<" | "<=" | ">" | ">=") sum ]
 *   sum    = term { ("+" | "-") term }                   not in a condition
 *   term   = concat { ("/" | "%" | "*") concat }         not in a condition
 *   concat = unary { unary }                             backtick form: side by side makes a string
 *   unary  = { "!" } prim | "-" number
 *   prim   = "${" path "}" | number | 'string' | true | false | word | "(" expr ")"
 */
#include "flow/wf_flow_check_int.h"

#include <ctype.h>
#include <string.h>

#define NESTING_MAX 64

typedef enum {
    T_END,
    T_OPEN,
    T_CLOSE,
    T_REF,
    T_NUMBER,
    T_STRING,
    T_BOOLEAN,
    T_WORD,
    T_OPERATOR, /* or something that is none: the parser says so where it meets it */
    T_BROKEN    /* reported */
} token_type_t;

typedef struct {
    token_type_t type;
    size_t start, len; /* of the path within ${ }, else of the token */
    size_t at;         /* where the token begins */
} token_t;

typedef struct {
    apr_pool_t *pool;
    const wf_expr_host_t *host;
    wf_expr_form_t form;
    const char *text;
    size_t len, pos;
    token_t tok;
    int failed; /* the first mistake ends the parsing: what follows would be guesses */
    int nesting;
    int refs;
    int warned_mix;
} parser_t;

typedef struct {
    unsigned types;
    int literal;    /* nothing but fixed values */
    int operation;  /* has an operator, outside parentheses */
    int comparison; /* is a comparison without parentheses round it */
} operand_t;

static const operand_t nothing = {0, 0, 0, 0};

static void tell(parser_t *p, wf_issue_level_t level, size_t at, const char *text)
{
    p->host->problem(p->host->baton, level,
                     apr_psprintf(p->pool, "%s (column %" APR_SIZE_T_FMT ")", text, at + 1));
}

static operand_t fail(parser_t *p, size_t at, const char *text)
{
    if (!p->failed) {
        tell(p, WF_ISSUE_ERROR, at, text);
    }
    p->failed = 1;
    p->tok.type = T_BROKEN;
    return nothing;
}

/* ---- lexer ---- */

static int is_word_char(unsigned char ch)
{
    return isalnum(ch) || ch == '_' || ch == '.' || ch == '-' || ch >= 0x80;
}

static void lex_ref(parser_t *p)
{
    const char *end = memchr(p->text + p->pos, '}', p->len - p->pos);

    if (!end) {
        fail(p, p->pos, "a reference is not closed: \"}\" is missing");
        return;
    }
    p->tok.type = T_REF;
    p->tok.start = p->pos + 2;
    p->tok.len = (size_t)(end - p->text) - p->tok.start;
    p->pos = (size_t)(end - p->text) + 1;
}

static void lex_string(parser_t *p)
{
    size_t start = p->pos++;

    while (p->pos < p->len && p->text[p->pos] != '\'') {
        p->pos += p->text[p->pos] == '\\' ? 2 : 1;
    }
    if (p->pos >= p->len) {
        p->pos = p->len;
        fail(p, start, "a quote is open: ' is missing");
        return;
    }
    p->pos++;
    p->tok.type = T_STRING;
    p->tok.start = start;
    p->tok.len = p->pos - start;
}

static void lex_word(parser_t *p)
{
    size_t start = p->pos;
    size_t digits = 0;

    if (isdigit((unsigned char)p->text[start])) {
        while (p->pos < p->len && (isdigit((unsigned char)p->text[p->pos]) ||
                                   (p->text[p->pos] == '.' && digits == 0))) {
            digits += p->text[p->pos++] == '.';
        }
        p->tok.type = T_NUMBER;
    } else {
        while (p->pos < p->len && is_word_char((unsigned char)p->text[p->pos])) {
            p->pos++;
        }
        p->tok.type = T_WORD;
    }
    p->tok.start = start;
    p->tok.len = p->pos - start;
    if ((p->tok.len == 4 && memcmp(p->text + start, "true", 4) == 0) ||
        (p->tok.len == 5 && memcmp(p->text + start, "false", 5) == 0)) {
        p->tok.type = T_BOOLEAN;
    }
}

static void lex_operator(parser_t *p)
{
    static const char *const two[] = {"==", "!=", "<=", ">=", "&&", "||"};
    size_t i;

    p->tok.type = T_OPERATOR;
    p->tok.start = p->pos;
    p->tok.len = 1;
    for (i = 0; i < sizeof(two) / sizeof(two[0]); i++) {
        if (p->len - p->pos >= 2 && memcmp(p->text + p->pos, two[i], 2) == 0) {
            p->tok.len = 2;
        }
    }
    p->pos += p->tok.len;
}

static void next(parser_t *p)
{
    unsigned char ch;

    if (p->failed) {
        return;
    }
    while (p->pos < p->len && isspace((unsigned char)p->text[p->pos])) {
        p->pos++;
    }
    p->tok.at = p->pos;
    if (p->pos >= p->len) {
        p->tok.type = T_END;
        return;
    }
    ch = (unsigned char)p->text[p->pos];
    if (ch == '(' || ch == ')') {
        p->tok.type = ch == '(' ? T_OPEN : T_CLOSE;
        p->pos++;
    } else if (ch == '$' && p->pos + 1 < p->len && p->text[p->pos + 1] == '{') {
        lex_ref(p);
    } else if (ch == '\'') {
        lex_string(p);
    } else if (is_word_char(ch) && ch != '-' && ch != '.') {
        lex_word(p);
    } else {
        lex_operator(p);
    }
}

static int is_operator(const parser_t *p, const char *op)
{
    return p->tok.type == T_OPERATOR && p->tok.len == strlen(op) &&
           memcmp(p->text + p->tok.start, op, p->tok.len) == 0;
}

static int starts_operand(const parser_t *p)
{
    switch (p->tok.type) {
    case T_OPEN:
    case T_REF:
    case T_NUMBER:
    case T_STRING:
    case T_BOOLEAN:
    case T_WORD:
        return 1;
    default:
        return 0;
    }
}

/* ---- operands ---- */

static operand_t parse_expr(parser_t *p);

static operand_t parse_word(parser_t *p)
{
    operand_t out = nothing;
    const char *word = p->text + p->tok.start;
    size_t at = p->tok.at;
    size_t shown = p->tok.len > 40 ? 40 : p->tok.len;

    while (shown < p->tok.len && ((unsigned char)word[shown] & 0xC0) == 0x80) {
        shown--; /* not inside a character */
    }
    out.types = p->form == WF_EXPR_BACKTICK ? 0 : p->host->word(p->host->baton, word, p->tok.len);
    if (!out.types) {
        return fail(p, at,
                    apr_psprintf(p->pool,
                                 "\"%.*s\" is neither a reference nor a fixed text: write "
                                 "${form.name} or ${data.key}, or put a text into single quotes",
                                 (int)shown, word));
    }
    p->refs++;
    next(p);
    return out;
}

static operand_t parse_parentheses(parser_t *p)
{
    operand_t out;
    size_t at = p->tok.at;

    next(p);
    if (p->tok.type == T_CLOSE) {
        return fail(p, at, "empty parentheses");
    }
    out = parse_expr(p);
    if (p->failed) {
        return nothing;
    }
    if (p->tok.type != T_CLOSE) {
        return fail(p, at, "parentheses are unbalanced: \")\" is missing");
    }
    if (!out.operation) {
        tell(p, WF_ISSUE_WARNING, at, "parentheses should hold an operation");
    }
    next(p);
    out.comparison = 0;
    out.operation = 0;
    return out;
}

static operand_t parse_prim(parser_t *p)
{
    operand_t out = nothing;

    switch (p->tok.type) {
    case T_REF:
        out.types = p->host->path(p->host->baton, p->text + p->tok.start, p->tok.len);
        p->refs++;
        /* A broken reference was reported; its type is no second mistake. */
        out.types = out.types ? out.types : WF_T_ANY;
        break;
    case T_NUMBER:
    case T_STRING:
    case T_BOOLEAN:
        out.types = p->tok.type == T_NUMBER   ? WF_T_NUM
                    : p->tok.type == T_STRING ? WF_T_STR
                                              : WF_T_BOOL;
        out.literal = 1;
        break;
    case T_WORD:
        return parse_word(p);
    case T_OPEN:
        return parse_parentheses(p);
    case T_CLOSE:
        return fail(p, p->tok.at,
                    "parentheses are unbalanced, or an operand is missing before \")\"");
    case T_END:
        return fail(p, p->len, "an operand is missing at the end");
    default:
        return fail(p, p->tok.at,
                    apr_psprintf(p->pool, "an operand is missing before \"%.*s\"", (int)p->tok.len,
                                 p->text + p->tok.start));
    }
    next(p);
    return out;
}

static operand_t parse_unary(parser_t *p)
{
    operand_t out;
    size_t at = p->tok.at;

    if (is_operator(p, "-")) {
        next(p);
        return p->tok.type == T_NUMBER ? parse_prim(p)
                                       : fail(p, at, "a number must follow the minus sign");
    }
    if (!is_operator(p, "!")) {
        return parse_prim(p);
    }
    if (++p->nesting > NESTING_MAX) {
        return fail(p, at, "the expression is nested too deeply");
    }
    next(p);
    out = parse_unary(p);
    p->nesting--;
    if (!p->failed && !(out.types & WF_T_BOOL)) {
        tell(p, WF_ISSUE_ERROR, at, "\"!\" needs a boolean");
    }
    out.types = p->failed ? 0 : WF_T_BOOL;
    return out;
}

/* ---- operators ---- */

static operand_t parse_concat(parser_t *p)
{
    operand_t out = parse_unary(p);

    while (!p->failed && p->form == WF_EXPR_BACKTICK && starts_operand(p)) {
        operand_t right = parse_unary(p);
        out.types = WF_T_STR;
        out.literal = out.literal && right.literal;
        out.operation = 1;
    }
    return out;
}

/* Of `+ - / % *`. Text on either side of + is a common mistake that clients forgive. */
static operand_t arithmetic(parser_t *p, size_t at, int plus, operand_t left, operand_t right)
{
    operand_t out = {WF_T_NUM, 0, 1, 0};

    if (p->failed) {
        return nothing;
    }
    if (left.literal && right.literal) {
        tell(p, WF_ISSUE_ERROR, at, "an operator has fixed values on both sides");
    }
    if ((left.types & WF_T_NUM) && (right.types & WF_T_NUM)) {
        return out;
    }
    if (plus && ((left.types | right.types) & WF_T_STR)) {
        tell(p, WF_ISSUE_WARNING, at,
             "\"+\" adds numbers; to join texts write them side by side, without an operator");
        out.types = WF_T_STR;
        return out;
    }
    tell(p, WF_ISSUE_ERROR, at, "an arithmetic operator needs numbers on both sides");
    return out;
}

static operand_t parse_term(parser_t *p)
{
    operand_t out = parse_concat(p);

    while (!p->failed && p->form != WF_EXPR_CONDITION &&
           (is_operator(p, "/") || is_operator(p, "%") || is_operator(p, "*"))) {
        size_t at = p->tok.at;
        if (is_operator(p, "*")) {
            tell(p, WF_ISSUE_WARNING, at, "\"*\" is not documented");
        }
        next(p);
        out = arithmetic(p, at, 0, out, parse_concat(p));
    }
    return out;
}

static operand_t parse_sum(parser_t *p)
{
    operand_t out = parse_term(p);

    while (!p->failed && p->form != WF_EXPR_CONDITION &&
           (is_operator(p, "+") || is_operator(p, "-"))) {
        size_t at = p->tok.at;
        int plus = is_operator(p, "+");
        next(p);
        out = arithmetic(p, at, plus, out, parse_term(p));
    }
    return out;
}

static void check_comparison(parser_t *p, size_t at, int equality, operand_t left, operand_t right)
{
    const unsigned plain = WF_T_STR | WF_T_NUM | WF_T_BOOL;

    if (left.literal && right.literal) {
        tell(p, WF_ISSUE_ERROR, at, "a comparison has fixed values on both sides");
    } else if (equality && !(left.types & right.types & plain)) {
        tell(p, WF_ISSUE_ERROR, at,
             "both sides of a comparison must be of the same type: string, number or boolean");
    } else if (!equality && !(left.types & right.types & WF_T_NUM)) {
        tell(p, WF_ISSUE_ERROR, at, "<, <=, > and >= compare numbers only");
    }
}

static operand_t parse_cmp(parser_t *p)
{
    operand_t out = parse_sum(p);
    operand_t right;
    size_t at = p->tok.at;
    int equality = is_operator(p, "==") || is_operator(p, "!=");

    if (p->failed || !(equality || is_operator(p, "<") || is_operator(p, "<=") ||
                       is_operator(p, ">") || is_operator(p, ">="))) {
        return out;
    }
    next(p);
    right = parse_sum(p);
    if (p->failed) {
        return nothing;
    }
    check_comparison(p, at, equality, out, right);
    return (operand_t){WF_T_BOOL, 0, 1, 1};
}

/* Of && and ||. Whether they bind tighter than comparisons is told in two ways. */
static operand_t logic(parser_t *p, size_t at, operand_t left, operand_t right)
{
    if (p->failed) {
        return nothing;
    }
    if (left.literal && right.literal) {
        tell(p, WF_ISSUE_ERROR, at, "an operator has fixed values on both sides");
    } else if (!(left.types & WF_T_BOOL) || !(right.types & WF_T_BOOL)) {
        tell(p, WF_ISSUE_ERROR, at, "&& and || need booleans on both sides");
    }
    if ((left.comparison || right.comparison) && !p->warned_mix) {
        p->warned_mix = 1;
        tell(p, WF_ISSUE_WARNING, at, "put parentheses around comparisons beside && and ||");
    }
    return (operand_t){WF_T_BOOL, 0, 1, 0};
}

static operand_t parse_and(parser_t *p)
{
    operand_t out = parse_cmp(p);

    while (!p->failed && is_operator(p, "&&")) {
        size_t at = p->tok.at;
        next(p);
        out = logic(p, at, out, parse_cmp(p));
    }
    return out;
}

static operand_t parse_or(parser_t *p)
{
    operand_t out = parse_and(p);

    while (!p->failed && is_operator(p, "||")) {
        size_t at = p->tok.at;
        next(p);
        out = logic(p, at, out, parse_and(p));
    }
    return out;
}

static operand_t parse_expr(parser_t *p)
{
    operand_t out, otherwise;
    size_t at = p->tok.at;

    if (++p->nesting > NESTING_MAX) {
        return fail(p, at, "the expression is nested too deeply");
    }
    out = parse_or(p);
    if (!p->failed && p->form == WF_EXPR_BRACED && is_operator(p, "?")) {
        next(p);
        out = parse_expr(p);
        if (!p->failed && !is_operator(p, ":")) {
            return fail(p, p->tok.at, "\":\" is missing after \"?\"");
        }
        next(p);
        otherwise = parse_expr(p);
        out = (operand_t){out.types | otherwise.types, 0, 1, 0};
    }
    p->nesting--;
    return p->failed ? nothing : out;
}

/* ---- the whole ---- */

static void report_rest(parser_t *p)
{
    if (p->tok.type == T_CLOSE) {
        fail(p, p->tok.at, "parentheses are unbalanced: \"(\" is missing");
    } else if (starts_operand(p)) {
        fail(p, p->tok.at, "an operator is missing");
    } else {
        fail(p, p->tok.at,
             apr_psprintf(p->pool, "\"%.*s\" is no operator %s", (int)p->tok.len,
                          p->text + p->tok.start,
                          p->form == WF_EXPR_CONDITION ? "of a condition" : "here"));
    }
}

unsigned wf_expr_check(apr_pool_t *pool, const wf_expr_host_t *host, wf_expr_form_t form,
                       const char *text, size_t len)
{
    parser_t p = {.pool = pool, .host = host, .form = form, .text = text, .len = len};
    operand_t out;

    next(&p);
    out = parse_expr(&p);
    if (!p.failed && p.tok.type != T_END) {
        report_rest(&p);
    }
    if (!p.failed && p.refs == 0) {
        fail(&p, 0, "only fixed values: at least one reference is needed");
    }
    return p.failed ? 0 : out.types;
}
