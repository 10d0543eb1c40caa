#!/usr/bin/perl
# openapi.json: served as it should be, of every route and of nothing else, its examples true to its schemas.

use strict;
use warnings;
use lib 't/lib';

use Cpanel::JSON::XS ();
use HTTP::Tiny;
use Test::More;
use Wflows::Api;
use Wflows::Contract;
use Wflows::Test qw(errlog_ok need start_stack);

need('pg', 'redis', 'httpd', 'contract');

my $stack = start_stack(httpd => { main => "AddOutputFilterByType DEFLATE application/json\n", stock_modules => ['filter'] });
my $nobody = Wflows::Api->new($stack, nobody => 1);
my @routes = @{ $stack->ctl('routes')->{data} };
my $served = $nobody->get('/openapi.json');
my $doc = $served->{json};
my $contract = Wflows::Contract->new($doc);

# ---- as it is served ------------------------------------------------------------------------------------------

is($served->{status}, 200, 'anybody may read it');
is($doc->{openapi}, '3.1.0', 'it is OpenAPI 3.1');
like($served->{headers}{'content-type'}, qr{^application/json\b}, 'it is JSON');
is($nobody->get('/openapi.json', headers => { 'if-none-match' => $served->{etag} })->{status}, 304, 'who has it is told so');
is($nobody->head('/openapi.json')->{headers}{'content-length'}, length $served->{body}, 'HEAD tells its length');
is($nobody->get('/openapi.json', query => { x => 1 })->{status}, 422, 'it takes no query');
my $small = HTTP::Tiny->new->get($stack->httpd->url('/api/v2/openapi.json'), { headers => { 'accept-encoding' => 'gzip' } });
is($small->{headers}{'content-encoding'}, 'gzip', 'mod_deflate compresses it');
cmp_ok(length $small->{content}, '<', length($served->{body}) / 4, 'which makes it small');
my $again = HTTP::Tiny->new->get($stack->httpd->url('/api/v2/openapi.json'),
    { headers => { 'accept-encoding' => 'gzip', 'if-none-match' => $small->{headers}{etag} } });
is($again->{status}, 304, 'and who has it compressed is told so, too');

# ---- both directions ------------------------------------------------------------------------------------------

my %in_doc;
for my $path (sort keys %{ $doc->{paths} }) {
    $in_doc{ uc($_) . " /api/v2$path" } = $doc->{paths}{$path}{$_} for keys %{ $doc->{paths}{$path} };
}
my %in_table = map { $_->{listed} ? ("$_->{method} $_->{path}" => $_) : () } @routes;
is_deeply([grep { !$in_doc{$_} } sort keys %in_table], [], 'every route is in it');
is_deeply([grep { !$in_table{$_} } sort keys %in_doc], [], 'everything in it is a route');

my (@differ, @dumb);
for my $name (sort keys %in_table) {
    my ($route, $op) = ($in_table{$name}, $in_doc{$name} // next);
    my %ways = map { %$_ } @{ $op->{security} };
    push @differ, "$name: its name" if $op->{operationId} ne $route->{name};
    push @differ, "$name: scopes" if join(' ', @{ $op->{'x-scopes'} // [] }) ne join(' ', @{ $route->{scopes} });
    push @differ, "$name: role" if !$route->{public} && !$route->{self} && $op->{'x-role'} ne $route->{role};
    push @differ, "$name: ways in" if join(' ', sort keys %ways) ne
        ($route->{public} ? '' : $route->{self} || @{ $route->{scopes} } ? 'api_key bearer' : 'bearer');
    push @differ, "$name: a body" if !!$op->{requestBody} != !!$route->{body} && !$op->{requestBody}{content}{'text/csv'};
    push @dumb, $name if $op->{tags}[0] eq 'other';
}
is_deeply(\@differ, [], 'each says of itself what the table says');
is_deeply(\@dumb, [], 'each is described in mod_wflows_admin/openapi');

# Schemas that say nothing would let every reply pass.
my @vague;
for my $name (sort keys %in_doc) {
    my $op = $in_doc{$name};
    for my $status (grep { /^2/ && $op->{responses}{$_}{content} } sort keys %{ $op->{responses} }) {
        my $content = $op->{responses}{$status}{content};
        push @vague, "$name $status" if grep { m{[/+]json$} && !is_closed($content->{$_}{schema}) } keys %$content;
    }
    push @vague, "$name body" if $op->{requestBody} && grep { m{[/+]json$} && !is_closed($op->{requestBody}{content}{$_}{schema}) }
        keys %{ $op->{requestBody}{content} };
}
is_deeply(\@vague, ['GET /api/v2/openapi.json 200'], 'every document that comes or goes is described member by member');

# An object that names all its members, or a choice of such.
sub is_closed {
    my ($schema) = @_;
    $schema = $contract->deref($schema);
    return !grep { !is_closed($_) } @{ $schema->{oneOf} // $schema->{anyOf} } if $schema->{oneOf} || $schema->{anyOf};
    return is_closed($schema->{items}) if ($schema->{type} // '') eq 'array';
    return exists $schema->{properties} && exists $schema->{additionalProperties};
}

# ---- examples, references ---------------------------------------------------------------------------------------

my (@untrue, @nowhere, %used);
walk($doc, '', sub {
    my ($part, $at) = @_;
    if (defined $part->{'$ref'} && !ref $part->{'$ref'}) {
        $used{ $part->{'$ref'} }++;
        push @nowhere, "$at: $part->{'$ref'}" unless eval { ref $contract->deref($part) };
    }
    my @examples = (exists $part->{example} ? $part->{example} : (), ref $part->{examples} eq 'ARRAY' ? @{ $part->{examples} } : ());
    my $schema = $part->{schema} // $part;
    push @untrue, map { my $e = $_; map { "$at: $_" } $contract->faults($schema, $e) } @examples;
});
is_deeply(\@untrue, [], 'every example is as its schema says');
is_deeply(\@nowhere, [], 'every reference leads somewhere');
my @unused = grep { !$used{"#/components/schemas/$_"} } sort keys %{ $doc->{components}{schemas} };
is_deeply(\@unused, [], 'every schema is used');

sub walk {
    my ($part, $at, $do) = @_;
    if (ref $part eq 'HASH') {
        $do->($part, $at);
        walk($part->{$_}, "$at/$_", $do) for sort grep { !/^examples?$/ } keys %$part;
    } elsif (ref $part eq 'ARRAY') {
        walk($part->[$_], "$at/$_", $do) for 0 .. $#$part;
    }
}

errlog_ok($stack);
done_testing();
