package Wflows::Flows;

# Flow JSON for tests: as small as a valid document can be.

use strict;
use warnings;

use Cpanel::JSON::XS ();
use Exporter qw(import);

our @EXPORT_OK = qw(linear_flow);

# Screens one after the other, each with a text input `answer` and a Footer that sends it. A screen is its
# name, or [name, {data key => example}].
sub linear_flow {
    my ($screens, %o) = @_;
    my @screens = map { ref $_ ? $_ : [$_, {}] } @$screens;
    my @names = map { $_->[0] } @screens;
    my %routing = map { $names[$_] => $_ < $#names ? [$names[$_ + 1]] : [] } 0 .. $#names;
    return {
        version => '7.2',
        data_api_version => '3.0',
        routing_model => $o{routing} // \%routing,
        screens => [map { _screen($_, $_->[0] eq $names[-1]) } @screens],
    };
}

sub _declare {
    my ($example) = @_;
    return { type => 'string', __example__ => $example } unless ref $example;
    return { type => 'boolean', __example__ => $example } unless ref $example eq 'ARRAY';
    return { type => 'array', __example__ => $example,
        items => { type => 'object', properties => { id => { type => 'string' }, title => { type => 'string' } } } };
}

sub _screen {
    my ($screen, $last) = @_;
    my ($id, $data) = @$screen;
    my @children = (
        { type => 'TextInput', name => 'answer', label => 'Answer', required => Cpanel::JSON::XS::true() },
        { type => 'Footer', label => 'Next', 'on-click-action' => { name => 'data_exchange', payload => { answer => '${form.answer}' } } },
    );
    unshift @children, map { { type => 'TextBody', text => "\${data.$_}" } } grep { !ref $data->{$_} } sort keys %$data;
    return {
        id => $id, title => "Screen $id", (%$data ? (data => { map { $_ => _declare($data->{$_}) } keys %$data }) : ()),
        ($last ? (terminal => Cpanel::JSON::XS::true(), success => Cpanel::JSON::XS::true()) : ()),
        refresh_on_back => Cpanel::JSON::XS::true(),
        layout => { type => 'SingleColumnLayout', children => [{ type => 'Form', name => 'form', children => \@children }] },
    };
}

1;
