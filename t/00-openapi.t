#!/usr/bin/perl
# mod_wflows_admin/openapi against the tables by which the store checks what comes in (wf_field_t): each has a schema
# ("x-fields"), and the schema has its members, kinds and limits.

use strict;
use warnings;
use lib 't/lib';

use Cpanel::JSON::XS ();
use Cwd qw(abs_path);
use Test::More;
use Wflows::Process qw(read_file run);

my $src = abs_path($ENV{WF_SRCDIR} // '.');
my $build = abs_path($ENV{WF_BUILDDIR} // "$src/build") // '';
my %make = -f "$build/Makefile" ? read_file("$build/Makefile") =~ /^(\w+) = (.*)$/mg : ();
plan skip_all => 'no configured build in WF_BUILDDIR' unless $make{APR_CFLAGS};
chdir $src or die "cannot enter $src: $!";

# ---- the tables, as the compiler sees them ------------------------------------------------------------------------

my %tables;
for my $file (sort glob('lib/store/*.c')) {
    next unless read_file($file) =~ /\bwf_field_t \w+\[[^\]]*\] = \{/;
    my $seen = run(command => [split(' ', $make{CC} // 'cc'), '-E', '-P', '-Ilib', "-I$build", split(' ', $make{APR_CFLAGS}), $file], timeout => 60);
    is($seen->{rc}, 0, "$file goes through the preprocessor") or diag($seen->{err});
    (my $name = $file) =~ s{.*/}{};
    while ($seen->{out} =~ /\bwf_field_t (\w+)\[[^\]]*\] = \{(.*?)\n?\};/sg) {
        $tables{"$name:$1"} = rows("$2}");
    }
}

# {"name", KIND, flags, min, max, is, "expected" …}
sub rows {
    my ($text) = @_;
    my @rows;
    while ($text =~ /\{\s*"(\w+)",\s*WF_FIELD_(\w+),\s*([^,]*),\s*([^,]*),\s*([^,]*),\s*([^,]*),\s*([^}]*)\}/g) {
        my ($field, $kind, $flags, $min, $max, $words) = ($1, $2, $3, $4, $5, $7);
        my %flag = map { $_ => 1 } grep { !/^0$/ } split(/\s*\|\s*/, $flags);
        push @rows, { name => $field, kind => $kind, min => number($min), max => number($max), words => join('', $words =~ /"([^"]*)"/g),
            needed => has(\%flag, 1, 'WF_FIELD_NEEDED'), not_null => has(\%flag, 2, 'WF_FIELD_NOT_NULL') };
    }
    return \@rows;
}

sub has { my ($flags, $number, $name) = @_; return $flags->{$number} || $flags->{$name} ? 1 : 0 }

# undef: it is counted from an enumeration, which only the compiler knows.
sub number {
    my ($text) = @_;
    $text =~ s/\(\s*(?:int64_t|9223372036854775807L)\s*\)/$& =~ m{int64} ? '' : 9223372036854775807/ge;
    $text =~ s/(\d)(?:[UL]+)\b/$1/g;
    return $text =~ m{^[\d\s()+*/-]+$} ? eval "use integer; $text" : undef; # sums of numbers alone
}

cmp_ok(scalar keys %tables, '>=', 5, 'the tables are found');
is_deeply([grep { !@{ $tables{$_} } } sort keys %tables], [], 'each with its rows');

# ---- the schemas -------------------------------------------------------------------------------------------------------

my (%of, %all);
for my $file (sort glob('mod_wflows_admin/openapi/*.json')) {
    my $doc = Cpanel::JSON::XS->new->utf8->decode(read_file($file));
    my $schemas = $doc->{schemas} // $doc->{components}{schemas};
    @all{ keys %$schemas } = values %$schemas;
    push @{ $of{ $_->{'x-fields'} } }, $_ for grep { $_->{'x-fields'} } values %$schemas;
}
is_deeply([grep { !$of{$_} } sort keys %tables], [], 'each table has a schema');
is_deeply([grep { !$tables{$_} } sort keys %of], [], 'each schema that names a table names one that there is');

for my $table (sort grep { $of{$_} } keys %tables) {
    my %member = map { %{ $_->{properties} } } @{ $of{$table} };
    my %required = map { $_ => 1 } map { @{ $_->{required} // [] } } @{ $of{$table} };
    my @differ = grep { !$member{$_} } map { $_->{name} } @{ $tables{$table} };
    push @differ, map { my $row = $_; map { "$row->{name}: $_" } differences($row, $member{ $row->{name} }, $required{ $row->{name} }) }
        grep { $member{ $_->{name} } } @{ $tables{$table} };
    is_deeply(\@differ, [], "$table: names, kinds and limits are those of its schema");
}

sub differences {
    my ($row, $schema, $required) = @_;
    $schema = $all{$1} // {} if ($schema->{'$ref'} // '') =~ m{/(\w+)$};
    my $either = $schema->{oneOf} // $schema->{anyOf};
    my @types = ref $schema->{type} ? @{ $schema->{type} } : $schema->{type} // ();
    my $null = grep { $_ eq 'null' } @types, map { $_->{type} // () } @{ $either // [] };
    my %is = (TEXT => 'string', FORM => 'string', WORD => 'string', SECRET => 'string', INT => 'integer', BOOL => 'boolean', OBJECT => 'object', LIST => 'array');
    my %limits = (TEXT => [qw(minLength maxLength)], SECRET => [qw(minLength maxLength)], INT => [qw(minimum maximum)], LIST => [qw(minItems maxItems)]);
    my @differ;
    push @differ, "is $is{ $row->{kind} }" unless $either || grep { $_ eq $is{ $row->{kind} } } @types;
    push @differ, $row->{needed} ? 'is required' : 'is not required' if $row->{needed} != ($required ? 1 : 0);
    push @differ, 'null or not' if ($null ? 1 : 0) == ($row->{needed} || $row->{not_null} ? 1 : 0);
    my @names = @{ $limits{ $row->{kind} } // [] };
    for my $limit (@names ? ([$names[0], $row->{min}], [$names[1], $row->{max}]) : ()) {
        push @differ, "$limit->[0] is $limit->[1]" if defined $limit->[1] && ($schema->{ $limit->[0] } // 'none') ne $limit->[1];
    }
    # Words that are given by the name of a constant are the compiler's secret.
    push @differ, "words are $row->{words}" if $row->{words} && $row->{kind} eq 'WORD' && join(' ', grep { defined } @{ $schema->{enum} // [] }) ne $row->{words};
    return @differ;
}

done_testing();
