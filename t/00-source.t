#!/usr/bin/perl
# Guards over the source: what STYLE.md 3.1 and 3.7 promise about layers, symbols, directives and log ids.
# Each failure names file:line. A rule with nothing to look at yet is not silently passed: it says so.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Find;
use File::Temp qw(tempdir);
use Test::More;

my $src = abs_path($ENV{WF_SRCDIR} // '.');
my $build = abs_path($ENV{WF_BUILDDIR} // "$src/build") // '';
chdir $src or die "cannot enter $src: $!";

# ---- the files ------------------------------------------------------------------------------------

my @files;
find({ no_chdir => 1, wanted => sub {
    (my $path = $File::Find::name) =~ s{^\./}{};
    if (-d && $path =~ m{^(?:\.git|\.run|_build|_inst|node_modules|build|build-\w+|m4|autom4te\.cache|wflows-[\d.]+)$}) {
        $File::Find::prune = 1;
        return;
    }
    push @files, $path if -f && $path !~ m{^(?:aclocal\.m4|configure~?|config\..*|libtool|Makefile(?:\.in)?|wf_config\.h.*)$};
} }, '.');
@files = sort @files;

my %text;

sub text {
    my ($file) = @_;
    return $text{$file} //= do {
        open(my $fh, '<:raw', $file) or die "$file: $!";
        local $/;
        <$fh> // '';
    };
}

# C text with comments (and, unless `keep_strings`, the insides of literals) blanked, lines kept.
my %code;

sub code {
    my ($file, $keep_strings) = @_;
    return $code{$file}{ $keep_strings ? 1 : 0 } //= do {
        my $c = text($file);
        $c =~ s{(/\*.*?\*/|//[^\n]*)|("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')}{
            my ($comment, $literal) = ($1, $2);
            if (defined $comment) { (my $blank = $comment) =~ s/[^\n]/ /g; $blank }
            elsif ($keep_strings) { $literal }
            else { substr($literal, 0, 1) . ('x' x (length($literal) - 2)) . substr($literal, -1) }
        }gse;
        $c;
    };
}

sub line_of { my ($text, $offset) = @_; return 1 + (substr($text, 0, $offset) =~ tr/\n//) }

sub rule {
    my ($name, @broken) = @_;
    ok(!@broken, $name) or diag(map { "  $_\n" } @broken);
}

# Every match of `pattern` in the code of `files`, as "file:line: what".
sub matches {
    my ($pattern, $what, $keep_strings, @where) = @_;
    my @found;
    for my $file (@where) {
        my $c = code($file, $keep_strings);
        while ($c =~ /$pattern/g) {
            push @found, "$file:" . line_of($c, $-[0]) . ": $what" . (defined $1 ? ": $1" : '');
        }
    }
    return @found;
}

my @c = grep { /\.[ch]$/ } @files;
my @lib = grep { m{^lib/} } @c;
my @modules = grep { m{^mod_wflows_\w+/} } @c;
my @module_names = do { my %m; $m{$_}++ for map { m{^(mod_wflows_\w+)/} ? $1 : () } @modules; sort keys %m };
my @tools = grep { m{^(?:support|bench)/} } @c;
my @product = (@lib, @modules, @tools);

# ---- layers ---------------------------------------------------------------------------------------

my @pure = qw(base json crypto);
my %may_use = (
    base => [], json => ['base'], crypto => ['base'], pool => ['base'],
    pg => [qw(base pool)], redis => [qw(base pool)], http => ['base'],
    tenant => [@pure], flow => [@pure], webhook => [@pure],
);
$may_use{store} = [@pure, qw(pool pg redis http tenant flow webhook)];
$may_use{service} = [@{ $may_use{store} }, 'store'];
$may_use{runtime} = [@{ $may_use{service} }, 'service'];
my @all_lib = (@{ $may_use{runtime} }, 'runtime');

my %owner = (
    'libpq-fe.h' => 'pg', 'pg_config.h' => 'pg', 'hiredis' => 'redis', 'json-c' => 'json', 'json.h' => 'json',
    'openssl' => 'crypto', 'argon2.h' => 'crypto', 'curl' => 'http',
);
my $httpd_header = qr{^(?:httpd|http_\w+|ap_\w+|mod_\w+|util_\w+|scoreboard|mpm_common|unixd)\.h$};

sub includes {
    my ($file) = @_;
    my @found;
    my $c = code($file, 1);
    while ($c =~ /^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]/mg) {
        push @found, { system => $1 eq '<', name => $2, at => "$file:" . line_of($c, $-[0]) };
    }
    return @found;
}

# Which part of the tree an #include "…" reaches: a lib folder, a module folder, or undef.
sub part_of {
    my ($file, $name) = @_;
    (my $folder = $file) =~ s{/[^/]+$}{};
    return 'generated' if $name eq 'wf_config.h' || $name eq 'support/openapi/wfo_lists.inc';
    return $1 if $name =~ m{^(\w+)/} && -d "lib/$1" && -e "lib/$name";
    return $1 if $name =~ m{^(mod_wflows_\w+)/};
    return $folder =~ m{^lib/(\w+)} ? $1 : $folder if -e "$folder/$name";
    return undef;
}

my (@wrong_layer, @wrong_owner, @httpd_in_lib, @unknown, @private);
for my $file (@product) {
    my ($layer) = $file =~ m{^lib/(\w+)/};
    my ($module) = $file =~ m{^(mod_wflows_\w+)/};
    my $glue = defined $module || ($layer // '') eq 'httpd';
    my @allowed = $glue ? (@all_lib, 'httpd') : defined $layer ? @{ $may_use{$layer} // [] } : @all_lib;

    for my $i (includes($file)) {
        (my $top = $i->{name}) =~ s{/.*}{};
        my $owner = $owner{ $i->{name} } // $owner{$top};
        if (!defined(part_of($file, $i->{name})) || $i->{system}) {
            push @wrong_owner, "$i->{at}: $i->{name} belongs to lib/$owner alone"
                if defined $owner && ($layer // '') ne $owner && $file !~ m{^bench/};
            push @httpd_in_lib, "$i->{at}: $i->{name} is httpd's" if $i->{name} =~ $httpd_header && !$glue;
            push @unknown, "$i->{at}: \"$i->{name}\" is in no folder of the tree"
                if !$i->{system} && $i->{name} !~ $httpd_header && $i->{name} !~ /^(?:apr|apu)/;
            next;
        }
        my $part = part_of($file, $i->{name});
        my $own = $part eq ($layer // $module // $file =~ s{/[^/]+$}{}r);
        next if $own || $part eq 'generated';
        push @private, "$i->{at}: $i->{name} is private to its folder" if $i->{name} =~ /_int\.h$/;
        push @wrong_layer, "$i->{at}: "
            . (defined $layer ? "lib/$layer" : $module // 'this folder') . " may not use $part"
            unless grep { $_ eq $part } @allowed;
    }
}
my @no_law = map { "lib/$_: no layer of that name in STYLE.md 3.1" } grep { !$may_use{$_} && $_ ne 'httpd' }
    do { my %l; $l{$_}++ for map { m{^lib/(\w+)/} ? $1 : () } @lib; sort keys %l };

cmp_ok(scalar @lib, '>', 10, 'the source tree is where it is looked for');
rule('every folder of lib/ is a layer of STYLE.md 3.1', @no_law);
rule('each layer includes only what its line of STYLE.md 3.1 names; modules never include each other', @wrong_layer);
rule('a *_int.h is included in its own folder only', @private);
rule('an #include "…" names a file of the tree', @unknown);
# bench/ is a client, and independent of the library on purpose.
rule('each foreign library has one folder that includes its headers', @wrong_owner);
rule('no httpd header outside lib/httpd and the modules', @httpd_in_lib);
rule('no httpd type outside lib/httpd and the modules',
    matches(qr/\b((?:request|server|conn)_rec|ap_[a-z]\w+)\b/, 'httpd name', 0, grep { !m{^lib/httpd/|^mod_} } @product));

my @l3 = grep { m{^lib/(?:tenant|flow|webhook)/} } @lib;
rule('the pure layers do no I/O and read no clock but wf_now(ctx)',
    matches(qr/\b(apr_time_now|time|clock_gettime|gettimeofday|fopen|open|read|write|socket|connect|send|recv|getenv|apr_file_\w+|apr_socket_\w+|apr_env_get|usleep|sleep|apr_sleep)\s*\(/,
        'not in a pure layer', 0, @l3));
rule('the clock is read in lib/base only (wf_now), lib/httpd and the modules aside',
    matches(qr/\b(apr_time_now|gettimeofday)\s*\(/, 'use wf_now(ctx)', 0,
        grep { !m{^lib/(?:base|httpd|pool|pg|redis|http)/} } @lib));

# ---- SQL and Redis names ------------------------------------------------------------------------------

my $sql = qr/"[^"\n]*?((?:\bSELECT\s|\bINSERT\s+INTO\b|\bUPDATE\s+\w+[\w.]*\s+SET\b|\bDELETE\s+FROM\b|\bTRUNCATE\b)[^"\n]{0,30})/;
rule('SQL text lives in lib/store and schema only',
    matches($sql, 'SQL', 1, grep { !m{^lib/store/} && $_ ne 'lib/pg/wf_pg_session.c' } @product));
rule('inside lib/store, SQL text lives in wf_sql* (and the migrations of wf_migrate.c) only',
    matches($sql, 'SQL', 1, grep { m{^lib/store/} && !m{/wf_(?:sql|migrate)\w*\.[ch]$} } @lib));
rule('Redis key names live in lib/store/wf_keys.h only',
    matches(qr/("[^"\n]*\{%[.*]*s\}:[^"\n]*")/, 'a key name', 1, grep { $_ ne 'lib/store/wf_keys.h' } @product));
rule('names in migrations are schema-qualified: a table is never created outside schema wflows', map {
    my $file = $_;
    my $t = text($file);
    my @bad;
    while ($t =~ /^\s*CREATE\s+(?:UNLOGGED\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?(?!wflows\.)(\S+)/mgi) {
        push @bad, "$file:" . line_of($t, $-[0]) . ": table $1";
    }
    @bad;
} grep { m{^schema/.*\.sql$} } @files);

# ---- banned, form ---------------------------------------------------------------------------------

rule('no banned function',
    matches(qr/(?<![\w.>])(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|system|popen|exit)\s*\(/, 'banned', 0, @product));
rule('no PQexec: prepared statements only, but in the migrations',
    matches(qr/\b(PQexec|PQexecParams)\s*\(/, 'banned', 0, grep { !m{^lib/store/wf_migrate} } @product));
rule('secrets and authentication codes are never compared with memcmp or strcmp',
    matches(qr/\b((?:mem|str|strn)cmp\s*\([^;{]*(?:secret|hmac|\bmac\b|signature|password|api_key)[^;{]*)/, 'use wf_ct_equal', 0,
        grep { m{^(?:lib/(?:crypto|tenant|webhook|service|httpd)|mod_)} } @product));
my %static_with_a_reason = (
    'lib/crypto/wf_algorithms.c' => 'OpenSSL algorithms, fetched under pthread_once and then only read',
    'lib/json/wf_json.c' => 'an address that stands for JSON null, never written',
);
rule('no mutable statics in lib/ (a module may be loaded twice; state belongs to an object)',
    matches(qr/^[ \t]*static[ \t]+(?!const\b|inline\b|_Thread_local\b)(?:(?:unsigned|struct|volatile)[ \t]+)?(\w+[ \t*]+(?!const\b)\w+)[ \t]*(?:\[[^\]]*\])?[ \t]*(?:=|;)/m,
        'static', 0, grep { /\.c$/ && !$static_with_a_reason{$_} } @lib));

my @formed = grep { m{\.(?:[ch]|pl|pm|t|sql|conf|load|in|lua)$} && !m{^(?:build|m4)/} && !/Makefile/ } @files;
rule('no tabs, no trailing white space', map {
    my $file = $_;
    my $t = text($file);
    my @bad;
    push @bad, "$file:" . line_of($t, $-[0]) . ': tab' while $t =~ /\t/g;
    push @bad, "$file:" . line_of($t, $-[0]) . ': white space at the end' while $t =~ /[ \t]+$/mg;
    @bad;
} @formed);

my @measured = grep { !m{^t/fuzz/corpus} } (@c, grep { /\.(?:pm|t|pl)$/ } @files);
rule('no file over 700 lines', map {
    my $n = text($_) =~ tr/\n//;
    $n > 700 ? "$_:701: $n lines" : ();
} @measured);

# Linux braces: a function's body is between two braces in the first column.
rule('no function over 60 lines', map {
    my $file = $_;
    my ($start, $name, $previous, $n, @bad) = (0, '', '', 0);
    for my $line (split /\n/, code($file)) {
        $n++;
        if ($line eq '{' && $previous =~ /\)\s*$/) {
            $start = $n;
        } elsif ($line =~ /^\}/ && $start) {
            my $len = $n - $start + 1;
            push @bad, "$file:$start: $name has $len lines" if $len > 60;
            $start = 0;
        }
        $name = $1 if $line =~ /^\w[\w\s*]*?\b(\w+)\s*\(/;
        $previous = $line if $line =~ /\S/;
    }
    @bad;
} grep { /\.c$/ } @product);

# ---- headers compile alone ----------------------------------------------------------------------------

SKIP: {
    my $make = -f "$build/Makefile" ? text("$build/Makefile") : '';
    my %var = $make =~ /^(\w+) = (.*)$/mg;
    skip 'no configured build in WF_BUILDDIR', 1 unless $var{APR_CFLAGS};
    my @flags = map { split ' ', $var{$_} // '' }
        qw(APR_CFLAGS HTTPD_CFLAGS LIBPQ_CFLAGS HIREDIS_CFLAGS OPENSSL_CFLAGS JSONC_CFLAGS ARGON2_CFLAGS CURL_CFLAGS);
    my $dir = tempdir(CLEANUP => 1);
    my @bad;
    for my $header (grep { /\.h$/ } @product) {
        # Twice: a header without a guard fails too.
        open(my $fh, '>', "$dir/alone.c") or die $!;
        print {$fh} qq{#include "$src/$header"\n#include "$src/$header"\ntypedef int wf_not_empty;\n};
        close($fh);
        my ($folder) = $header =~ m{^(.*)/};
        my $module = $header =~ m{^lib/httpd/} ? '-DWFM_MODULE=wflows_tenant' : '';
        my $said = qx{cc -std=gnu11 -fsyntax-only -Wall -Werror $module -DWF_DATADIR='""' -I'$src/lib' -I'$build' -I'$src/$folder' @flags '$dir/alone.c' 2>&1};
        push @bad, "$header:1: does not compile alone:\n$said" if $? != 0;
    }
    rule('each header compiles alone, twice', @bad);
}

# ---- modules ---------------------------------------------------------------------------------------

for my $module (@module_names) {
    (my $symbol = $module) =~ s/^mod_//;
    $symbol .= '_module';
    my @sources = grep { m{^$module/.*\.c$} } @c;
    next unless @sources;
    rule("every .c of $module has AP_DECLARE_MODULE or APLOG_USE_MODULE once (the log index is a static of each file)", map {
        my $n = () = code($_) =~ /^(?:AP_DECLARE_MODULE|APLOG_USE_MODULE)\s*\(/mg;
        $n == 1 ? () : "$_:1: $n times";
    } @sources);
    is(scalar(() = join("\n", map { code($_) } @sources) =~ /^AP_DECLARE_MODULE\s*\(/mg), 1,
        "$module declares its module record once");

    my ($so) = grep { -e } "$build/.libs/$module.so", "$build/$module/.libs/$module.so";
    ok($so, "$module.so is built") or next;
    my @exported = grep { !/^(?:_init|_fini|_edata|_end|__bss_start)$/ }
        map { /\s[A-TV-Z]\s(\S+)$/ ? $1 : () } qx{nm -D --defined-only '$so'};
    is(join(' ', @exported), $symbol, "$module.so exports $symbol and nothing else");
}
is(scalar(grep { -e "$build/.libs/$_.so" || -e "$build/$_/.libs/$_.so" } @module_names), scalar @module_names,
    'every module folder gives one .so');

# ---- directives ↔ conf/wflows.conf ↔ README ------------------------------------------------------------

my %directive;
for my $file (grep { m{^(?:mod_|lib/httpd/)} } @c) {
    my $c = code($file, 1);
    while ($c =~ /"(Wflows[A-Z]\w*)"/g) {
        $directive{$1} //= "$file:" . line_of($c, $-[0]);
    }
}

# Names that a document mentions, with the place of the first.
sub names_in {
    my ($file, $pattern) = @_;
    return {} unless -e $file;
    my ($t, %seen) = (text($file));
    while ($t =~ /$pattern/mg) { $seen{$1} //= "$file:" . line_of($t, $-[1]) }
    return \%seen;
}

for my $doc (['conf/wflows.conf', qr/^\s*#?\s*(Wflows[A-Z]\w*)\b/m], ['README.md', qr/^\|\s*`(Wflows[A-Z]\w*)/m]) {
    my ($file, $pattern) = @$doc;
    my $named = names_in($file, $pattern);
    rule("every directive stands in $file", map { "$directive{$_}: $_ is not in $file" }
        grep { !$named->{$_} } sort keys %directive);
    rule("$file names no directive that does not exist", map { "$named->{$_}: $_ is in no module" }
        grep { !$directive{$_} } sort keys %$named);
}

# ---- log ids ------------------------------------------------------------------------------------------

my (%id_at, @twice);
for my $file (@product) {
    my $c = code($file);
    while ($c =~ /\bWFLOGNO\s*\(\s*(\d+)\s*\)/g) {
        my $at = "$file:" . line_of($c, $-[0]);
        push @twice, sprintf('%s: WF%04d is already used at %s', $at, $1, $id_at{ $1 + 0 }) if $id_at{ $1 + 0 };
        $id_at{ $1 + 0 } //= $at;
    }
}
my (%documented, @doc_twice, @unsorted);
my ($n, $last) = (0, -1);
for my $line (split /\n/, text('docs/LOGIDS.md')) {
    $n++;
    next unless $line =~ /^\|\s*WF(\d{4})\s*\|\s*(\S+)\s*\|/;
    push @doc_twice, "docs/LOGIDS.md:$n: WF$1 stands twice" if $documented{ $1 + 0 };
    push @unsorted, "docs/LOGIDS.md:$n: WF$1 after a higher one" if $1 < $last;
    $last = $1;
    $documented{ $1 + 0 } = { at => "docs/LOGIDS.md:$n", file => $2 };
}
cmp_ok(scalar keys %id_at, '>', 5, 'log ids are found in the code');
rule('each log id is used in one place', @twice);
rule('each log id is registered in docs/LOGIDS.md',
    map { sprintf('%s: WF%04d', $id_at{$_}, $_) } grep { !$documented{$_} } sort { $a <=> $b } keys %id_at);
rule('docs/LOGIDS.md names no id that is not in the code, none twice, and is sorted', @doc_twice, @unsorted,
    map { sprintf('%s: WF%04d', $documented{$_}{at}, $_) } grep { !$id_at{$_} } sort { $a <=> $b } keys %documented);
rule('docs/LOGIDS.md names the file of each id', map {
    my ($file) = $id_at{$_} =~ /^(.*):\d+$/;
    $file eq $documented{$_}{file} ? () : sprintf('%s: WF%04d is in %s', $documented{$_}{at}, $_, $file);
} grep { $id_at{$_} && $documented{$_} } sort { $a <=> $b } keys %id_at);
my %range = ('lib/' => [1, 999], 'mod_wflows_tenant/' => [1000, 1999], 'mod_wflows_flows/' => [2000, 2999],
    'mod_wflows_admin/' => [3000, 3999], 'support/' => [4000, 4999]);
rule('log ids are in the range of their part (STYLE.md 3.3)', map {
    my $id = $_;
    my ($part) = grep { $id_at{$id} =~ /^\Q$_\E/ } keys %range;
    $part && ($id < $range{$part}[0] || $id > $range{$part}[1])
        ? sprintf('%s: WF%04d, %s has %04d to %04d', $id_at{$id}, $id, $part, @{ $range{$part} }) : ();
} sort { $a <=> $b } keys %id_at);

# ---- configuration members: one X-macro list per struct (STYLE.md rule 8) ---------------------------------

rule('a directory or server configuration is one member list, expanded by declare, create and merge', map {
    my $file = $_;
    my $c = code($file);
    my @bad;
    while ($c =~ /typedef\s+struct(?:\s+\w+)?\s*\{([^}]*)\}\s*(wf[tfa]_(?:dir|server|srv)\w*conf\w*)\s*;/g) {
        my ($body, $name, $at) = ($1, $2, "$file:" . line_of($c, $-[0]));
        $body =~ s/^\s*#.*$//mg;
        $body =~ s/\b[A-Z][A-Z0-9_]+\s*\([^)]*\)\s*;?//g;
        push @bad, "$at: $name has members outside its X-macro: " . join(' ', split ' ', $body)
            if $body =~ /\w+\s*[*\w\s]*;/;
    }
    while ($c =~ /#\s*define\s+(WF[TFA]_\w*MEMBERS)\s*\(/g) {
        my $list = $1;
        my ($folder) = $file =~ m{^(.*)/};
        my $uses = () = join("\n", map { code($_) } grep { m{^\Q$folder\E/} } @c) =~ /^(?!\s*#\s*define).*\b$list\s*\(/mg;
        push @bad, "$file:" . line_of($c, $-[0]) . ": $list is expanded $uses times, not 3 (declare, create, merge)"
            if $uses < 3;
    }
    @bad;
} @modules);

done_testing();
