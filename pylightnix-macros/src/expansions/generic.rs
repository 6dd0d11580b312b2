#[automatically_derived]
impl<M: Model, const N: usize> Train<M, N>
where
    M::Data: Plain,
{
    ///Makes a config with these fields; the others have their defaults: `threads` is `4`.
    #[must_use]
    #[allow(
        dead_code,
        unreachable_pub,
        clippy::new_without_default,
        clippy::too_many_arguments
    )]
    fn new(before: Option<DRef<Self>>, lr: f64, data: M::Data) -> Self {
        Train {
            weights: ::pylightnix::__private::promise(),
            before,
            threads: Self::__default_threads(),
            lr,
            data,
        }
    }
    #[doc(hidden)]
    fn __default_threads() -> usize {
        4
    }
}
///The fields of [`Train`] in a plan, in its running stage, or in its result.
#[allow(dead_code, missing_debug_implementations, unreachable_pub)]
struct TrainLens<P: ::pylightnix::lens::Phase, M: Model + 'static, const N: usize>
where
    M::Data: Plain,
{
    ///`weights` of [`Train`].
    weights: P::Artifact<Json<M>, TrainPromises::weights>,
    ///`before` of [`Train`].
    before: P::Dep<Option<DRef<Train<M, N>>>>,
    ///`threads` of [`Train`].
    threads: usize,
    ///`lr` of [`Train`].
    lr: f64,
    ///`data` of [`Train`].
    data: M::Data,
}
#[doc(hidden)]
#[allow(
    non_camel_case_types,
    non_snake_case,
    missing_docs,
    missing_debug_implementations,
    unreachable_pub
)]
mod TrainPromises {
    pub enum weights {}
}
///The return type of a stage of [`Train`]: a proof for each promise that it was kept.
#[allow(dead_code, missing_debug_implementations, unreachable_pub)]
struct TrainOutputs {
    ///The proof that `weights` was saved.
    weights: ::pylightnix::lens::Written<TrainPromises::weights>,
}
#[automatically_derived]
impl<M: Model + 'static, const N: usize> ::pylightnix::plan::StageValue<Train<M, N>>
for TrainOutputs
where
    M::Data: Plain,
{}
#[automatically_derived]
#[allow(unused_variables, unused_mut)]
#[diagnostic::do_not_recommend]
impl<M: Model + 'static, const N: usize> ::pylightnix::lens::Config for Train<M, N>
where
    M::Data: Plain,
{
    type Lens<P: ::pylightnix::lens::Phase> = TrainLens<P, M, N>;
    type Outputs = TrainOutputs;
    const PROMISES: &'static [::pylightnix::__private::Promise] = &[
        ::pylightnix::__private::Promise::new("weights", "weights.json", "Json<M>"),
    ];
    fn lens<P: ::pylightnix::lens::Phase>(&self, from: &P::Source) -> Self::Lens<P> {
        TrainLens {
            weights: P::artifact(from, &Self::PROMISES[0usize]),
            before: <Option<
                DRef<Self>,
            > as ::pylightnix::lens::Dependency>::view::<P>(&self.before, from),
            threads: <usize as ::pylightnix::__private::PlainField<
                _,
            >>::view(&self.threads),
            lr: <f64 as ::pylightnix::__private::PlainField<_>>::view(&self.lr),
            data: <M::Data as ::pylightnix::__private::PlainField<_>>::view(&self.data),
        }
    }
    fn write(
        &self,
        out: &mut ::pylightnix::config::ConfigWriter,
        omitted: &mut ::pylightnix::lens::Omitted,
    ) -> ::pylightnix::Result<()> {
        ::pylightnix::__private::write_promise(
            out,
            "weights",
            &self.weights,
            &Self::PROMISES[0usize],
        );
        <Option<
            DRef<Self>,
        > as ::pylightnix::lens::Dependency>::write(&self.before, out.field("before"));
        <f64 as ::pylightnix::__private::PlainField<
            _,
        >>::write(&self.lr, out, "learning rate")?;
        <M::Data as ::pylightnix::__private::PlainField<
            _,
        >>::write(&self.data, out, "data")?;
        ::pylightnix::__private::Ok(())
    }
    fn unhashed(&self) -> ::pylightnix::Result<::pylightnix::lens::Omitted> {
        let mut unhashed = ::pylightnix::lens::Omitted::new();
        <usize as ::pylightnix::__private::PlainField<
            _,
        >>::note(&self.threads, &mut unhashed, "threads")?;
        ::pylightnix::__private::Ok(unhashed)
    }
    fn visit(
        &self,
        visit: &mut dyn ::pylightnix::__private::FnMut(&::pylightnix::plan::AnyDRef),
    ) {
        <Option<
            DRef<Self>,
        > as ::pylightnix::lens::Dependency>::visit(&self.before, visit);
    }
    fn declare(
        fields: &mut ::pylightnix::config::Fields<'_>,
        wanted: &mut ::pylightnix::plan::Wanted,
    ) -> ::pylightnix::Result<()> {
        if let ::pylightnix::__private::Some(stored) = ::pylightnix::__private::there(
            fields,
            "before",
        ) {
            let _ = <Option<
                DRef<Self>,
            > as ::pylightnix::lens::Dependency>::declare(&stored, wanted);
        }
        ::pylightnix::__private::Ok(())
    }
    fn revive(
        mut fields: ::pylightnix::config::Fields<'_>,
        revived: &::pylightnix::plan::Revived,
        planned: ::pylightnix::__private::Option<&Self>,
    ) -> ::pylightnix::Result<Self> {
        let mut misfits = <::pylightnix::__private::Misfits as ::pylightnix::__private::Default>::default();
        let __field_0 = misfits
            .note(
                ::pylightnix::__private::read_promise(
                    &mut fields,
                    "weights",
                    &Self::PROMISES[0usize],
                ),
            );
        let __field_1 = match planned {
            ::pylightnix::__private::Some(planned) => {
                let _ = ::pylightnix::__private::there(&mut fields, "before");
                ::pylightnix::__private::Some(
                    <Option<
                        DRef<Self>,
                    > as ::pylightnix::lens::Dependency>::kept(&planned.before),
                )
            }
            ::pylightnix::__private::None => {
                ::pylightnix::__private::Misfits::note(
                    &mut misfits,
                    ::pylightnix::__private::stored(&mut fields, "before")
                        .and_then(|stored| <Option<
                            DRef<Self>,
                        > as ::pylightnix::lens::Dependency>::revive(&stored, revived)),
                )
            }
        };
        let __field_2 = ::pylightnix::__private::Some(
            match planned {
                ::pylightnix::__private::Some(planned) => {
                    <usize as ::pylightnix::__private::PlainField<
                        _,
                    >>::view(&planned.threads)
                }
                ::pylightnix::__private::None => Self::__default_threads(),
            },
        );
        let __field_3 = misfits
            .note(
                <f64 as ::pylightnix::__private::PlainField<
                    _,
                >>::read(&mut fields, "learning rate"),
            );
        let __field_4 = misfits
            .note(
                <M::Data as ::pylightnix::__private::PlainField<
                    _,
                >>::read(&mut fields, "data"),
            );
        misfits.end::<Self>(fields)?;
        ::pylightnix::__private::Ok(Train {
            weights: ::pylightnix::__private::fitting(__field_0)?,
            before: ::pylightnix::__private::fitting(__field_1)?,
            threads: ::pylightnix::__private::fitting(__field_2)?,
            lr: ::pylightnix::__private::fitting(__field_3)?,
            data: ::pylightnix::__private::fitting(__field_4)?,
        })
    }
    fn is_exact() -> bool {
        true && <f64 as ::pylightnix::__private::PlainField<_>>::is_exact()
            && <M::Data as ::pylightnix::__private::PlainField<_>>::is_exact()
    }
}
