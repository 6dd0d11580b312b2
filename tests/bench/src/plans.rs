//! Plans of trivial stages, in three shapes.

use pylightnix::prelude::*;

/// A stage that writes its number.
#[derive(Config)]
pub(crate) struct Node {
    #[selfref("out.txt")]
    pub(crate) out: SelfRef<Text>,
    #[dref]
    pub(crate) deps: Vec<DRef<Node>>,
    pub(crate) number: u64,
}

#[stage(name = "numbered")]
fn node(b: &Build<Node>) -> Result<NodeOutputs> {
    Ok(NodeOutputs {
        out: b.out.save(&b.number.to_string())?,
    })
}

/// The shapes, by name.
pub(crate) const SHAPES: &[&str] = &["chain", "wide", "layers"];

/// Returns a plan of `count` stages: a chain, a sink that depends on all others, or layers of a tenth with 3 parents each.
pub(crate) fn plan(shape: &str, count: u64) -> Result<Vec<DRef<Node>>> {
    let stage = |deps, number| instantiate(Node::new(deps, number));
    match shape {
        "chain" => {
            let mut last = stage(vec![], 0)?;
            for number in 1..count {
                last = stage(vec![last], number)?;
            }
            Ok(vec![last])
        }
        "wide" => {
            let leaves: Result<Vec<_>, _> =
                (1..count).map(|number| stage(vec![], number)).collect();
            Ok(vec![stage(leaves?, 0)?])
        }
        "layers" => {
            let width = (count / 10).max(1);
            let mut layer: Vec<DRef<Node>> = Vec::new();
            for depth in 0..10 {
                let mut next = Vec::new();
                for at in 0..width {
                    let parents = (0..3)
                        .filter_map(|step| layer.get(((at * 7 + step * 13) % width) as usize))
                        .cloned()
                        .collect();
                    next.push(stage(parents, depth * width + at)?);
                }
                layer = next;
            }
            Ok(layer)
        }
        other => Err(format!("no shape `{other}`").into()),
    }
}

/// Returns the graph of [`plan`]: for each stage, the numbers of its dependencies, which are smaller.
pub(crate) fn parents(shape: &str, count: usize) -> Result<Vec<Vec<usize>>> {
    let width = (count / 10).max(1);
    (0..count)
        .map(|at| match shape {
            "chain" => Ok(at.checked_sub(1).into_iter().collect()),
            "wide" if at + 1 == count => Ok((0..at).collect()),
            "wide" => Ok(Vec::new()),
            "layers" => Ok(match at.checked_sub(at % width + width) {
                None => Vec::new(),
                Some(above) => (0..3)
                    .map(|step| above + ((at % width) * 7 + step * 13) % width)
                    .collect(),
            }),
            other => Err(format!("no shape `{other}`").into()),
        })
        .collect()
}
