//! The calls of the recorded rows, by name.

use gateway_dotnet::{
    Error, Str,
    encoding::Encoding,
    guid::Guid,
    json::{self, Formatting, MergeArrays, MergeSettings, Scalar, Target, Token},
    net::{self, Uri, UriKind, web},
    number::{self, Decimal, IntType, NumberStyles, convert, math},
    regex::{Match, Options, Regex},
    text::{self, FormatArg, Separators, StringComparison},
    time::{
        DateTime, DateTimeKind, DateTimeOffset, TICKS_PER_DAY, TICKS_PER_MILLISECOND, TICKS_PER_MINUTE,
        TICKS_PER_SECOND, TimeSpan, TimeZone,
    },
    xml,
};

/// The day the rows were recorded.
fn today() -> DateTime {
    DateTime::from_date(2026, 11, 25).expect("a date")
}

fn int(text: &str) -> i32 {
    text.parse().expect("a number in a row")
}

fn double(text: &str) -> Result<f64, Error> {
    number::parse_double(text, NumberStyles::FLOAT_THOUSANDS)
}

fn single(text: &str) -> Result<f32, Error> {
    number::parse_single(text, NumberStyles::FLOAT_THOUSANDS)
}

fn decimal(text: &str) -> Result<Decimal, Error> {
    number::parse_decimal(text, NumberStyles::NUMBER)
}

fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

fn joined(parts: &[Str]) -> String {
    parts.iter().map(Str::to_string).collect::<Vec<_>>().join("\u{2}")
}

fn compact(token: &Token) -> Result<String, Error> {
    token.to_json(Formatting::None).map(|s| s.to_string())
}

/// Runs one recorded call.
pub(crate) fn call(name: &str, a: &[&str]) -> Result<String, Error> {
    if let Some(target) = name.strip_prefix("json.cast.") {
        return json_cast(target, a[0]);
    }
    if let Some(target) = name.strip_prefix("json.value.") {
        return json_value(target, a[0]);
    }
    match name.split_once('.').map_or(name, |(head, _)| head) {
        "double" | "float" | "int" | "long" | "byte" | "decimal" | "Convert" | "cast" => numbers(name, a),
        "DateTime" | "DateTimeOffset" | "TimeSpan" => times(name, a),
        "json" => documents(name, a),
        "regex" => patterns(name, a),
        "xml" if name == "xml.program" => Ok(xml_program(
            &xml::parse_element(a[0], xml::LoadOptions::NONE)?,
            a[1],
        )),
        "xml" => elements(name, a[0]),
        "time" | "span" | "zone" => clocks(name, a),
        "Uri" | "IPAddress" | "UrlDecode" | "UrlEncode" | "HtmlDecode" | "HtmlEncode" | "EscapeData"
        | "UnescapeData" => nets(name, a),
        _ => texts(name, a),
    }
}

fn numbers(name: &str, a: &[&str]) -> Result<String, Error> {
    let integer = |text: &str, kind| number::parse_integer(text, NumberStyles::INTEGER, kind);
    let mode = |text: &str| math::Midpoint::from_value(int(text));
    let show = number::decimal_to_text;
    Ok(match name {
        "double.ToString" => number::format_double(double(a[0])?, a[1])?,
        "float.ToString" => number::format_single(single(a[0])?, a[1])?,
        "int.ToString" => number::format_integer(integer(a[0], IntType::Int32)?, IntType::Int32, a[1])?,
        "long.ToString" => number::format_integer(integer(a[0], IntType::Int64)?, IntType::Int64, a[1])?,
        "byte.ToString" => number::format_integer(integer(a[0], IntType::Byte)?, IntType::Byte, a[1])?,
        "decimal.ToString" => number::format_decimal(decimal(a[0])?, a[1])?,
        "double.Parse" => number::double_to_text(double(a[0])?),
        "float.Parse" => number::single_to_text(single(a[0])?),
        "int.Parse" => number::parse_integer(a[0], NumberStyles(int(a[1])), IntType::Int32)?.to_string(),
        "decimal.Parse" => show(number::parse_decimal(a[0], NumberStyles(int(a[1])))?),
        "decimal.add" => show(decimal(a[0])?.add(decimal(a[1])?)?),
        "decimal.sub" => show(decimal(a[0])?.subtract(decimal(a[1])?)?),
        "decimal.mul" => show(decimal(a[0])?.multiply(decimal(a[1])?)?),
        "decimal.div" => show(decimal(a[0])?.divide(decimal(a[1])?)?),
        "decimal.rem" => show(decimal(a[0])?.remainder(decimal(a[1])?)?),
        "decimal.cmp" => (decimal(a[0])?.compare(decimal(a[1])?) as i32).to_string(),
        "decimal.double" => number::double_to_text(decimal(a[0])?.to_f64()),
        "double.decimal" => show(Decimal::from_f64(double(a[0])?)?),
        "float.decimal" => show(Decimal::from_f32(single(a[0])?)?),
        "decimal.round" => show(math::round_decimal(decimal(a[0])?, int(a[1]), mode(a[2])?)?),
        "double.round" => number::double_to_text(math::round_digits(double(a[0])?, int(a[1]), mode(a[2])?)?),
        "Convert.ToInt32.double" => convert::double_to_integer(double(a[0])?, IntType::Int32)?.to_string(),
        "Convert.ToInt32.base" => convert::parse_base(a[0], int(a[1]), IntType::Int32)?.to_string(),
        "cast.int.double" => {
            let value = double(a[0])?;
            let kinds = [
                IntType::Int32,
                IntType::Int64,
                IntType::UInt32,
                IntType::UInt64,
                IntType::Byte,
                IntType::Int16,
            ];
            kinds
                .map(|k| convert::double_cast(value, k).to_string())
                .join(" ")
        }
        _ => unknown(name),
    })
}

fn unknown(name: &str) -> String {
    panic!("no such call: {name}")
}

fn times(name: &str, a: &[&str]) -> Result<String, Error> {
    let ticks = |text: &str| text.parse::<i64>().expect("ticks");
    let kind = |text: &str| match text {
        "1" => DateTimeKind::Utc,
        "2" => DateTimeKind::Local,
        _ => DateTimeKind::Unspecified,
    };
    match name {
        "DateTime.ToString" => DateTime::from_ticks(ticks(a[0]), kind(a[1]))?.format(a[2]),
        "DateTimeOffset.ToString" => {
            let clock = DateTime::from_ticks(ticks(a[0]), DateTimeKind::Unspecified)?;
            let offset = TimeSpan::from_ticks(ticks(a[1]) * TICKS_PER_MINUTE);
            DateTimeOffset::new(clock, offset)?.format(a[2])
        }
        "DateTime.Parse" => DateTime::parse(a[0], today())?.format("o"),
        "DateTimeOffset.Parse" => DateTimeOffset::parse(a[0], today())?.format("o"),
        "DateTimeOffset.ParseExact" => DateTimeOffset::parse_exact(a[0], a[1], today())?.format("o"),
        "TimeSpan.Parse" => TimeSpan::parse(a[0]).map(TimeSpan::to_text),
        "TimeSpan.ToString" => TimeSpan::from_ticks(ticks(a[0])).format(a[1]),
        _ => Ok(unknown(name)),
    }
}

fn documents(name: &str, a: &[&str]) -> Result<String, Error> {
    let text = Str::new(a[0]);
    match name {
        "json" => compact(&json::parse_token(&text)?),
        "json.object" => Ok(json::parse_object(&text)?.to_text()?.to_string()),
        "json.path" => {
            let found = json::select_tokens(&json::parse_token(&text)?, &Str::new(a[1]), false)?;
            found
                .iter()
                .map(compact)
                .collect::<Result<Vec<_>, _>>()
                .map(|v| v.join(" "))
        }
        "json.deserialize" => json::deserialize(&text)?.map_or(Ok("null".to_owned()), |t| compact(&t)),
        "json.merge" => {
            let arrays = [
                MergeArrays::Concat,
                MergeArrays::Union,
                MergeArrays::Replace,
                MergeArrays::Merge,
            ];
            let settings = MergeSettings {
                arrays: arrays[int(a[2]) as usize],
                nulls: a[3] == "1",
            };
            let target = json::parse_token(&text)?;
            target.merge(&json::parse_token(&Str::new(a[1]))?, settings)?;
            compact(&target)
        }
        "json.equals" => {
            let (x, y) = (json::parse_token(&text)?, json::parse_token(&Str::new(a[1]))?);
            Ok(format!(
                "{} {}",
                number::bool_to_text(x.deep_equals(&y)?),
                number::bool_to_text(x.equals(&y))
            ))
        }
        "json.compare" => {
            let value = |t: &str| json::parse_token(&Str::new(t)).map(|t| t.scalar().expect("a value"));
            value(a[0])?
                .compare_to(&value(a[1])?, today())
                .map(|o| o.to_string())
        }
        "json.program" => program(&json::parse_token(&text)?, a[1]),
        "json.paths" => {
            let found = json::select_tokens(&json::parse_token(&text)?, &Str::new("$..*"), false)?;
            Ok(found
                .iter()
                .map(|t| t.path().to_string())
                .collect::<Vec<_>>()
                .join(" "))
        }
        _ => Ok(unknown(name)),
    }
}

/// Runs a list of changes, each `operation|path|arguments`, and shows the tree and what was thrown.
fn program(root: &Token, lines: &str) -> Result<String, Error> {
    let mut log = String::new();
    for line in lines.split(';') {
        let words: Vec<&str> = line.split('|').collect();
        let Some(token) = json::select_token(root, &Str::new(words[1]), false)? else {
            log.push('-');
            continue;
        };
        if let Err(e) = change(root, &token, &words, &mut log) {
            log.push_str(&format!("[{}:{}]", e.kind.name(), e.message));
        }
    }
    Ok(format!("{}  {log}", compact(root)?))
}

fn as_kind(token: &Token, wanted: &str) -> Result<(), Error> {
    let fits = match wanted {
        "JArray" => token.token_type() == json::TokenType::Array,
        _ => token.is_container(),
    };
    let wanted = format!("Newtonsoft.Json.Linq.{wanted}");
    if fits {
        Ok(())
    } else {
        Err(Error::cast(token.type_name(), &wanted))
    }
}

fn change(root: &Token, token: &Token, words: &[&str], log: &mut String) -> Result<(), Error> {
    let parsed = |at: usize| json::parse_token(&Str::new(words[at]));
    let container = || as_kind(token, "JContainer");
    match words[0] {
        "set" => token.set(&Str::new(words[2]), Some(&parsed(3)?)),
        "seti" => token.set_at(int(words[2]), Some(&parsed(3)?)),
        "add" => container().and_then(|()| token.add(Some(&parsed(2)?))),
        "addp" => {
            container()?;
            token.add(Some(&Token::property(Str::new(words[2]), Some(&parsed(3)?))))
        }
        "rem" => token.remove(),
        "remp" => token.parent().ok_or_else(Error::null_reference)?.remove(),
        "rep" => token.replace(Some(&parsed(2)?)),
        "after" => token.add_after_self(Some(&parsed(2)?)),
        "before" => token.add_before_self(Some(&parsed(2)?)),
        "first" => container().and_then(|()| token.insert(0, Some(&parsed(2)?))),
        "move" => {
            let target = json::select_token(root, &Str::new(words[2]), false)?;
            let target = target.ok_or_else(Error::null_reference)?;
            as_kind(&target, "JContainer")?;
            target.add(Some(token))
        }
        "clear" => container().and_then(|()| token.clear()),
        "path" => {
            log.push_str(&format!("{} ", token.path()));
            Ok(())
        }
        "clone" => token.replace(Some(&token.deep_clone()?)),
        "remat" => as_kind(token, "JArray").and_then(|()| token.remove_at(int(words[2]))),
        "ins" => {
            as_kind(token, "JArray")?;
            let at = usize::try_from(int(words[2])).map_err(|_| {
                Error::out_of_range(
                    "index",
                    "Index was out of range. Must be non-negative and less than the size of the collection.",
                )
            })?;
            token.insert(at, Some(&parsed(3)?))
        }
        other => panic!("no such change: {other}"),
    }
}

fn clocks(name: &str, a: &[&str]) -> Result<String, Error> {
    let at = |text: &str| DateTime::from_ticks(text.parse().expect("ticks"), DateTimeKind::Unspecified);
    match name {
        "time.add" => {
            let date = at(a[0])?;
            let moved = date
                .add_units(double(a[1])?, TICKS_PER_DAY)?
                .add_months(int(a[2]))?;
            let moved = moved.add_units(double(a[3])?, TICKS_PER_MILLISECOND)?;
            let day = date.format("dddd")?;
            Ok(format!("{} {} {day}", moved.ticks(), date.day_of_year()))
        }
        "span.from" => {
            let value = double(a[0])?;
            let days = TimeSpan::from_units(value, TICKS_PER_DAY)?;
            let seconds = TimeSpan::from_units(value, TICKS_PER_SECOND)?;
            let millis = TimeSpan::from_units(value, TICKS_PER_MILLISECOND)?;
            let totals = [TICKS_PER_MINUTE, TICKS_PER_MILLISECOND, TICKS_PER_DAY]
                .map(|unit| number::double_to_text(seconds.total(unit)));
            Ok(format!(
                "{} {} {} {}",
                days.ticks(),
                seconds.ticks(),
                millis.ticks(),
                totals.join(" ")
            ))
        }
        "zone" => {
            let zone = TimeZone::find(a[1])?;
            let date = at(a[0])?;
            let there = TimeZone::convert(date, &TimeZone::utc(), &zone)?.format("o")?;
            let flags = [zone.is_invalid(date), zone.is_ambiguous(date)].map(number::bool_to_text);
            Ok(format!(
                "{there} {} {} {}",
                zone.utc_offset(date).to_text(),
                flags[0],
                flags[1]
            ))
        }
        _ => Ok(unknown(name)),
    }
}

fn patterns(name: &str, a: &[&str]) -> Result<String, Error> {
    let regex = Regex::new(&Str::new(a[0]), Options(int(a[2])))?;
    let input = Str::new(a[1]);
    let cut = |(start, end): (usize, usize)| input.slice(start, end - start).to_string();
    Ok(match name {
        "regex.matches" => {
            // Enumerating Groups asks for the numbers 0, 1, 2 …, whether there are such groups or not.
            let group = |m: &Match, number: usize| {
                let slot = regex.slot_of_number(number as i32);
                let label = slot.and_then(|s| regex.group_name(s)).unwrap_or_default();
                match slot.and_then(|s| Some((m.group(s)?, m.groups[s].len()))) {
                    Some((at, count)) => format!("{label}={}:{}/{count}", at.0, cut(at)),
                    None => format!("{label}=-"),
                }
            };
            let shown = |m: &Match| {
                let groups: Vec<String> = (0..m.groups.len()).map(|slot| group(m, slot)).collect();
                format!(
                    "{}:{}[{}]",
                    m.index(),
                    cut((m.index(), m.end())),
                    groups.join(",")
                )
            };
            regex
                .find_all(&input, usize::MAX)?
                .iter()
                .map(shown)
                .collect::<Vec<_>>()
                .join(";")
        }
        "regex.replace" => {
            let replacement = regex.replacement(&Str::new(a[3]));
            regex.replace(&input, &replacement, usize::MAX)?.to_string()
        }
        "regex.split" => joined(&regex.split(&input, 0, None)?),
        _ => unknown(name),
    })
}

fn declaration(document: &xml::Node) -> String {
    match document.kind() {
        xml::Kind::Document { declaration, .. } => declaration
            .borrow()
            .as_ref()
            .map_or(String::new(), xml::declaration_to_string),
        _ => String::new(),
    }
}

/// Runs a list of changes on an element, each `operation|path of child numbers|arguments`.
fn xml_program(root: &xml::Node, lines: &str) -> String {
    use xml::{SaveOptions, node_to_string};
    let mut log = String::new();
    for line in lines.split(';') {
        let words: Vec<&str> = line.split('|').collect();
        let Some(node) = node_at(root, words[1]) else {
            log.push('-');
            continue;
        };
        if let Err(e) = xml_change(root, &node, &words, &mut log) {
            log.push_str(&format!("[{}:{}]", e.kind.name(), e.message));
        }
    }
    format!(
        "{}  {}  {log}",
        node_to_string(root, SaveOptions::NONE),
        node_to_string(root, SaveOptions::DISABLE_FORMATTING)
    )
}

fn node_at(root: &xml::Node, path: &str) -> Option<xml::Node> {
    let steps = path.split('.').filter(|s| !s.is_empty());
    steps.into_iter().try_fold(root.clone(), |node, step| {
        node.nodes().get(step.parse::<usize>().ok()?).cloned()
    })
}

fn made(text: &str) -> Result<xml::Content, Error> {
    use xml::{Attribute, Content, LoadOptions, Name, Node};
    let rest = text.get(1..).unwrap_or_default().to_owned();
    Ok(match text.chars().next() {
        Some('<') => Content::Node(xml::parse_element(text, LoadOptions::NONE)?),
        Some('@') => Content::Attribute(Attribute::new(Name::expanded(&rest)?, "v".to_owned())),
        Some('!') => Content::Node(Node::comment(rest)),
        Some('#') => Content::Node(Node::cdata(rest)),
        _ => Content::Text(text.to_owned()),
    })
}

fn xml_type(node: &xml::Node) -> &'static str {
    match node.kind() {
        xml::Kind::Element { .. } => "XElement",
        xml::Kind::Text(_) => "XText",
        xml::Kind::CData(_) => "XCData",
        xml::Kind::Comment(_) => "XComment",
        _ => "XNode",
    }
}

fn xml_change(root: &xml::Node, node: &xml::Node, words: &[&str], log: &mut String) -> Result<(), Error> {
    let cast = |n: &xml::Node, wanted: &str| {
        let full = |n: &str| format!("System.Xml.Linq.{n}");
        if n.is_element() {
            Ok(())
        } else {
            Err(Error::cast(&full(xml_type(n)), &full(wanted)))
        }
    };
    let container = || cast(node, "XContainer");
    let element = || cast(node, "XElement");
    let content = || made(words[2]).map(|c| vec![c]);
    let some = |text: &str| Some(text.to_owned()).filter(|t| !t.is_empty());
    match words[0] {
        "add" => container().and_then(|()| node.add(&content()?)),
        "first" => container().and_then(|()| node.add_first(&content()?)),
        "after" => node.add_after_self(&content()?),
        "before" => node.add_before_self(&content()?),
        "with" => node.replace_with(&content()?),
        "rem" => node.remove(),
        "nodes" => container().map(|()| node.remove_nodes()),
        "attrs" => element().map(|()| node.remove_attributes()),
        "value" => element().and_then(|()| node.set_value(words[2].to_owned())),
        "name" => {
            element()?;
            node.set_name(xml::Name::expanded(words[2])?);
            Ok(())
        }
        "seta" => {
            element()?;
            node.set_attribute_value(&xml::Name::expanded(words[2])?, some(words[3]));
            Ok(())
        }
        "sete" => {
            element().and_then(|()| node.set_element_value(&xml::Name::expanded(words[2])?, some(words[3])))
        }
        "move" => {
            let target = node_at(root, words[2]).ok_or_else(Error::null_reference)?;
            cast(&target, "XContainer")?;
            target.add(&[xml::Content::Node(node.clone())])
        }
        "val" => element().map(|()| log.push_str(&format!("{} ", node.value()))),
        "desc" => element().map(|()| {
            let names: Vec<String> = node
                .descendants()
                .iter()
                .filter_map(|n| n.name())
                .map(|n| n.to_string())
                .collect();
            log.push_str(&format!("{} ", names.join(",")));
        }),
        other => panic!("no such change: {other}"),
    }
}

fn elements(name: &str, text: &str) -> Result<String, Error> {
    use xml::{LoadOptions, SaveOptions, node_to_string};
    let parse = || xml::parse_element(text, LoadOptions::NONE);
    Ok(match name {
        "xml.element" => node_to_string(&parse()?, SaveOptions::NONE),
        "xml.compact" => node_to_string(&parse()?, SaveOptions::DISABLE_FORMATTING),
        "xml.keep" => node_to_string(
            &xml::parse_element(text, LoadOptions::PRESERVE_WHITESPACE)?,
            SaveOptions::NONE,
        ),
        "xml.document" => {
            let document = xml::parse_document(text, LoadOptions::NONE)?;
            let declaration = declaration(&document);
            format!("{}|{declaration}", node_to_string(&document, SaveOptions::NONE))
        }
        "xml.value" => {
            let root = parse()?;
            let all: Vec<_> = std::iter::once(root.clone()).chain(root.descendants()).collect();
            let names: Vec<String> = all
                .iter()
                .map(|n| n.name().map_or(String::new(), |n| n.to_string()))
                .collect();
            let attributes: Vec<String> = all
                .iter()
                .flat_map(|n| n.attributes())
                .map(|a| format!("{}={}", a.name(), a.value()))
                .collect();
            format!("{}|{}|{}", root.value(), names.join(","), attributes.join(","))
        }
        _ => unknown(name),
    })
}

/// The target type of a cast and whether it can be null.
fn target(name: &str) -> (Target, bool) {
    match name {
        "int" => (Target::Integer(IntType::Int32), false),
        "long" => (Target::Integer(IntType::Int64), false),
        "uint" => (Target::Integer(IntType::UInt32), false),
        "byte" => (Target::Integer(IntType::Byte), false),
        "char" => (Target::Integer(IntType::Char), false),
        "bool" => (Target::Boolean, false),
        "double" => (Target::Double, false),
        "float" => (Target::Single, false),
        "decimal" => (Target::Decimal, false),
        "DateTime" => (Target::DateTime, false),
        "DateTimeOffset" => (Target::DateTimeOffset, false),
        "Guid" => (Target::Guid, false),
        "TimeSpan" => (Target::TimeSpan, false),
        "string" => (Target::String, true),
        "bytes" => (Target::Bytes, true),
        _ => (Target::Uri, true),
    }
}

fn scalar_text(value: &Scalar, target: Target) -> String {
    match (value, target) {
        (Scalar::Null, _) => "null".to_owned(),
        (Scalar::Bytes(b), _) => gateway_dotnet::bits::to_text(b),
        (Scalar::Integer(i), Target::Integer(IntType::Char)) => {
            Str::from_unit(u16::try_from(*i).expect("a unit")).to_string()
        }
        (Scalar::Uri(text), _) => Uri::new(text, UriKind::RelativeOrAbsolute)
            .map_or_else(|e| format!("{e}"), |u| u.to_text().to_string()),
        _ => value.to_text().to_string(),
    }
}

fn json_cast(name: &str, text: &str) -> Result<String, Error> {
    let token = json::parse_token(&Str::new(text))?;
    let (target, nullable) = target(name);
    if nullable {
        let value = json::cast_nullable(&token, target, today())?;
        return Ok(value.map_or("null".to_owned(), |v| scalar_text(&v, target)));
    }
    json::cast(&token, target, today()).map(|v| scalar_text(&v, target))
}

fn json_value(name: &str, text: &str) -> Result<String, Error> {
    let object = json::parse_object(&Str::from(format!("{{\"a\":{text}}}")))?;
    let token = object.get(&Str::new("a")).expect("the member");
    let (target, _) = target(name);
    match token.scalar() {
        Some(value) => json::change_type(&value, target, today()).map(|v| scalar_text(&v, target)),
        None => Err(Error::new(
            gateway_dotnet::ExceptionKind::InvalidCastException,
            format!(
                "Cannot cast {} to Newtonsoft.Json.Linq.JToken.",
                token.type_name()
            ),
        )),
    }
}

fn nets(name: &str, a: &[&str]) -> Result<String, Error> {
    let text = Str::new(a[0]);
    Ok(match name {
        "Uri" => {
            let uri = Uri::new(&text, UriKind::Absolute)?;
            format!(
                "{} {} {} {} {}",
                uri.to_text(),
                uri.absolute_uri()?,
                uri.authority()?,
                uri.path_and_query()?,
                uri.fragment()?
            )
        }
        "Uri.combine" => Uri::new(&text, UriKind::Absolute)?
            .combine(&Str::new(a[1]))?
            .to_text()
            .to_string(),
        "IPAddress" => net::ip_to_text(net::parse_ip(&text)?),
        "UrlDecode" => web::url_decode(&text).to_string(),
        "UrlEncode" => web::url_encode(&text).to_string(),
        "HtmlDecode" => web::html_decode(&text).to_string(),
        "HtmlEncode" => web::html_encode(&text).to_string(),
        "EscapeData" => net::escape_data_string(&text)?.to_string(),
        "UnescapeData" => net::unescape_data_string(&text).to_string(),
        _ => unknown(name),
    })
}

/// The arguments of the recorded `string.Format` rows: 12.5, -7, "s" and null.
enum Arg {
    Double(f64),
    Int(i32),
    Text(&'static str),
    Null,
}

impl FormatArg for Arg {
    fn format_arg(&self, format: Option<&Str>) -> Result<Str, Error> {
        let spec = format.map_or(String::new(), Str::to_string);
        Ok(match self {
            Arg::Double(d) => Str::from(number::format_double(*d, &spec)?),
            Arg::Int(i) => Str::from(number::format_integer(i128::from(*i), IntType::Int32, &spec)?),
            Arg::Text(t) => Str::new(t),
            Arg::Null => Str::EMPTY,
        })
    }
}

fn texts(name: &str, a: &[&str]) -> Result<String, Error> {
    let text = Str::new(a[0]);
    let how = |value: &str| StringComparison::from_value(int(value));
    Ok(match name {
        "Split" => joined(&text.split(&Separators::Chars(&units(a[1])), int(a[2]), a[3] == "1")?),
        "Split.text" => {
            let texts: Vec<Option<Str>> = a[1].split('|').map(|t| Some(Str::new(t))).collect();
            joined(&text.split(&Separators::Texts(&texts), int(a[2]), a[3] == "1")?)
        }
        "Trim" => {
            let set = units(a[1]);
            format!(
                "{}|{}|{}|{}",
                text.trim(&set, true, true),
                text.trim(&set, true, false),
                text.trim(&set, false, true),
                text.trim(&[], true, true)
            )
        }
        "IndexOf" => text
            .index_of_in(&Str::new(a[1]), int(a[2]), Some(int(a[3])), how(a[4])?)?
            .to_string(),
        "LastIndexOf" => text
            .last_index_of(&Str::new(a[1]), Some(int(a[2])), Some(int(a[3])), how(a[4])?)?
            .to_string(),
        "Replace" => text
            .replace(&Str::new(a[1]), &Str::new(a[2]), how(a[3])?)?
            .to_string(),
        "Substring" => text.substring_len(int(a[1]), int(a[2]))?.to_string(),
        "Compare" => text.compare(&Str::new(a[1]), a[2] == "1").to_string(),
        "random" => {
            let mut random = number::Random::new(int(a[0]));
            let (first, second) = (random.next(), random.next_below(int(a[1]))?);
            let third = number::double_to_text(random.next_double());
            format!(
                "{first} {second} {third} {}",
                random.next_between(-int(a[1]), int(a[1]))?
            )
        }
        "Format" => {
            let args = [Arg::Double(12.5), Arg::Int(-7), Arg::Text("s"), Arg::Null];
            let args: Vec<&dyn FormatArg> = args.iter().map(|a| a as &dyn FormatArg).collect();
            text::format(&text, &args)?.to_string()
        }
        "FromBase64" => gateway_dotnet::bits::to_text(&convert::from_base64(a[0])?),
        "Guid.Parse" => Guid::parse(a[0])?.to_text(),
        "utf8" => Encoding::Utf8.string(&convert::from_base64(a[0])?).to_string(),
        "char" => text.units().map(char_text).collect::<Vec<_>>().join(","),
        _ => unknown(name),
    })
}

fn char_text(unit: u16) -> String {
    use text::chars::CharClass as C;
    let classes = [
        (C::Letter, "L"),
        (C::Digit, "D"),
        (C::Punctuation, "P"),
        (C::Symbol, "S"),
        (C::Separator, "Z"),
        (C::WhiteSpace, "W"),
        (C::Control, "C"),
        (C::Upper, "U"),
        (C::Lower, "l"),
        (C::Number, "N"),
    ];
    let marks: String = classes
        .iter()
        .filter(|(c, _)| c.contains(unit))
        .map(|(_, m)| *m)
        .collect();
    format!(
        "{marks}{}{}{}",
        Str::from_unit(text::unit_to_upper(unit)),
        Str::from_unit(text::unit_to_lower(unit)),
        number::double_to_text(text::chars::numeric_value(unit))
    )
}
