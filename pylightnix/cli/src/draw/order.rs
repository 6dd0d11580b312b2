//! Putting what goes in before what it goes into.

/// The edges that can be drawn: sorted, each once, without circles.
pub(super) fn acyclic(nodes: usize, edges: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let mut edges: Vec<_> = edges
        .iter()
        .copied()
        .filter(|(from, into)| from != into && *from < nodes && *into < nodes)
        .collect();
    edges.sort_unstable();
    edges.dedup();
    let at = places(&depth_first(nodes, &edges));
    edges.retain(|(from, into)| at[*from] < at[*into]);
    edges
}

/// For each node, those that go into it, and those that it goes into, both sorted.
pub(super) fn neighbours(
    nodes: usize,
    edges: &[(usize, usize)],
) -> (Vec<Vec<usize>>, Vec<Vec<usize>>) {
    let mut into = vec![Vec::new(); nodes];
    let mut out = vec![Vec::new(); nodes];
    let mut edges = edges.to_vec();
    edges.sort_unstable();
    for (from, to) in edges {
        into[to].push(from);
        out[from].push(to);
    }
    (into, out)
}

/// For each node its place in the order.
pub(super) fn places(order: &[usize]) -> Vec<usize> {
    let mut places = vec![0; order.len()];
    for (at, node) in order.iter().enumerate() {
        places[*node] = at;
    }
    places
}

/// For each node, the number of nodes on the longest way to it. The edges are without circles.
pub(super) fn depths(nodes: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let (into, _) = neighbours(nodes, edges);
    let mut depths = vec![0; nodes];
    for node in depth_first(nodes, edges) {
        let above = into[node].iter().map(|from| depths[*from] + 1).max();
        depths[node] = above.unwrap_or(0);
    }
    depths
}

/// All nodes, each after those that go into it and soon after them: what belongs together stays together. Of a circle one
/// edge is neglected.
pub(super) fn depth_first(nodes: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let (into, out) = neighbours(nodes, edges);
    let ends = (0..nodes).filter(|node| out[*node].is_empty());
    let mut order = Vec::with_capacity(nodes);
    let mut met = vec![false; nodes];
    let mut path: Vec<(usize, usize)> = Vec::new();
    // Circles may have no end. From the last one, so that the first comes first.
    for root in ends.chain((0..nodes).rev()) {
        if !met[root] {
            met[root] = true;
            path.push((root, 0));
        }
        while let Some((node, next)) = path.last_mut() {
            let Some(&from) = into[*node].get(*next) else {
                order.push(*node);
                path.pop();
                continue;
            };
            *next += 1;
            if !met[from] {
                met[from] = true;
                path.push((from, 0));
            }
        }
    }
    order
}
